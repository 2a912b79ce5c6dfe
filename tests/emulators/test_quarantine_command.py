"""penstock quarantine on the Cloud Storage emulator."""

import json

import apache_beam as beam
import pytest

from console.main import main
from schemas.events import RawEvent
from schemas.rejected import Reason, Rejected, reject
from tests.engine import run_batch
from transforms.object_store import create_object, list_objects
from transforms.quarantine import Quarantine

pytestmark = pytest.mark.emulator

NOON = 1_767_268_800_000_000  # 2026-01-01T12:00:00Z


@pytest.fixture
def bucket(gcs_emulator):
    return gcs_emulator.bucket()


@pytest.fixture
def quarantine(bucket):
    path = f"gs://{bucket}/quarantine"
    records = [
        reject(RawEvent(b"ana %d" % n, {"a": "ana"}, str(n), NOON + n), step, reason, "x")
        for n in range(3)
        for step, reason in (("Decode", Reason.NOT_JSON), ("Deduplicate", Reason.ID_CONFLICT))
    ]
    rows = beam.Create(records, reshuffle=False).with_output_types(Rejected)
    run_batch(lambda pipeline: {"names": pipeline | rows | Quarantine(path, "hot", clock=float)})
    return path


def run(capsys, *argv):
    with pytest.raises(SystemExit) as left:
        main(["quarantine", *argv])
    printed = capsys.readouterr()
    return left.value.code, printed.out, printed.err


def test_what_a_job_refused_is_counted_and_shown_from_a_bucket(capsys, quarantine):
    size = sum(found.size for found in list_objects(quarantine))
    status, out, err = run(capsys, "ls", quarantine)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "step         reason       hour                  records",
        "Decode       not_json     2026-01-01T12:00:00Z        3",
        "Deduplicate  id_conflict  2026-01-01T12:00:00Z        3",
        f"records: 6, objects: 2, bytes: {size}",
    ]
    status, out, _ = run(capsys, "show", quarantine, "--step", "Decode")
    assert (status, "ana" in out) == (0, False)
    assert [json.loads(line)["payload_bytes"] for line in out.splitlines()] == [5, 5, 5]
    status, out, _ = run(capsys, "show", quarantine, "--limit", "1", "--raw")
    assert (status, json.loads(out)["attributes"]) == (0, {"a": "ana"})


def test_a_folder_of_a_quarantine_and_one_object_are_paths_too(capsys, quarantine):
    folder = f"{quarantine}/step=Decode"
    (found,) = list_objects(folder)
    for path in (folder, f"{folder}/", found.path):
        status, out, _ = run(capsys, "ls", path)
        assert status == 0
        assert out.splitlines()[-1] == f"records: 3, objects: 1, bytes: {found.size}"


def test_a_bad_object_in_a_bucket_is_named_and_the_rest_is_counted(capsys, quarantine):
    create_object(f"{quarantine}/step=Decode/dt=2026-01-01/0.avro", b"Obj\x01")
    create_object(f"{quarantine}/notes.txt", b"ana")
    status, out, err = run(capsys, "ls", quarantine)
    assert (status, out.splitlines()[-1].startswith("records: 6, objects: 2, ")) == (1, True)
    named, counted = err.splitlines()
    assert f"{quarantine}/step=Decode/dt=2026-01-01/0.avro: is no Avro object" in named
    assert counted.endswith(": 1")


@pytest.mark.parametrize("command", ["ls", "show"])
def test_a_bucket_or_folder_that_is_not_there_is_one_line(capsys, bucket, command):
    for path in (f"gs://{bucket}-not/quarantine", f"gs://{bucket}/nowhere"):
        status, out, err = run(capsys, command, path)
        assert (status, out) == (2, "")
        assert err.startswith(f"penstock: {path}: nothing is there; check the path")
        assert len(err.splitlines()) == 1
