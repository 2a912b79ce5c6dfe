"""The archive on Cloud Storage: objects are created once, and what is damaged is left alone."""

from schemas.packs import RawPack
from tests.transforms.test_write_archive import BASE, BATCH, run
from transforms.archive_manifest import list_hour
from transforms.object_store import read_object, replace_object


def kept(root):
    hour = list_hour(root, "a/b", BASE)
    packs = [entry.read(read_object(hour.path_of(entry))) for entry in hour.entries]
    return sorted(RawPack.join(packs).payloads)


def test_a_batch_on_cloud_storage_is_written_once_and_beside_what_is_damaged(gcs_emulator):
    root = f"gs://{gcs_emulator.bucket()}/an archive"
    wanted = sorted(BATCH[1].payloads)
    assert run(root, [BATCH]).counters["objects_written"] == 1
    assert run(root, [BATCH]).counters["objects_found"] == 1
    assert kept(root) == wanted
    [name] = list_hour(root, "a/b", BASE).objects
    taken = f"{list_hour(root, 'a/b', BASE).folder}/{name}"
    replace_object(taken, b"")
    outcome = run(root, [BATCH])
    assert (outcome.counters["objects_damaged"], outcome.counters["objects_written"]) == (1, 1)
    assert read_object(taken) == b""
    hour = list_hour(root, "a/b", BASE)
    good = [entry for entry in hour.entries if entry.object_name != name]
    assert [len(entry.read(read_object(hour.path_of(entry)))) for entry in good] == [len(wanted)]
