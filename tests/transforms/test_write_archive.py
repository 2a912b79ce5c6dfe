"""Objects of the archive and their entries: complete before they are named, and none twice."""

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import from_avro
from schemas.archive_layout import HOUR, parse_hour_folder
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry, parse_name
from schemas.packs import RawPack
from tests.engine import run_batch
from transforms import write_archive
from transforms.object_store import ObjectStoreError, create_object
from transforms.write_archive import WriteArchive, entry_of, in_order

BASE = 1_767_225_600_000_000
RAWS = [
    RawEvent(b"\x00not json", {"ts": "1500"}, "m2", BASE + 2, "k"),
    RawEvent(b"", {"ts": "2500"}, "m1", BASE + 1, ""),
    RawEvent(b"", {"ts": "2500"}, "m1", BASE + 1, ""),
]
BATCH = (BASE, RawPack.of(RAWS))
FEW = st.builds(
    RawEvent,
    st.sampled_from([b"", b"a"]),
    st.sampled_from([{}, {"a": "1"}]),
    st.sampled_from(["", "m"]),
    st.integers(BASE, BASE + 1),
    st.sampled_from(["", "k"]),
)


def run(path, batches, bundle_repeat=0, **given_values):
    def build(pipeline):
        made = pipeline | beam.Create(batches).with_output_types(tuple[int, RawPack])
        return {"names": made | WriteArchive(str(path), **{"source": "a/b", **given_values})}

    return run_batch(build, bundle_repeat)


def files_in(path):
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def archived(path):
    """All messages that the manifest names."""
    for entry in sorted(path.rglob("*.entry.json")):
        known = ManifestEntry.from_json(entry.read_bytes())
        assert parse_name(entry.name).entry == known
        yield known, from_avro((entry.parent / known.object_name).read_bytes())


@pytest.mark.parametrize("codec", ["zstd", "deflate", "null"])
def test_every_message_is_kept_as_it_arrived_in_order_of_publishing(tmp_path, codec):
    outcome = run(tmp_path, [BATCH], codec=codec)
    [(entry, rows)] = archived(tmp_path)
    assert rows == [RAWS[1], RAWS[2], RAWS[0]]
    assert (entry.events, entry.codec) == (3, codec)
    assert (entry.first_publish, entry.last_publish) == (BASE + 1, BASE + 2)
    assert (entry.first_event, entry.last_event) == (None, None)
    [name] = outcome["names"]
    folder = name.rpartition("/")[0]
    assert parse_hour_folder(folder) == ("a/b", BASE)
    object_name = f"raw/events/{folder}/{entry.object_name}"
    assert set(files_in(tmp_path)) == {f"raw/events/{name}", object_name}
    assert len(files_in(tmp_path)[object_name]) == entry.size
    assert outcome.counters == {"archived": 3, "objects_written": 1}


def test_the_attribute_tells_the_event_times_where_every_message_has_it(tmp_path):
    run(tmp_path, [BATCH], event_time_attribute="ts")
    [(entry, _)] = archived(tmp_path)
    assert (entry.first_event, entry.last_event) == (1_500_000, 2_500_000)
    unsaid = [RAWS[0], RawEvent(b"", {}, "m3", BASE, "")]
    assert entry_of(unsaid, "null", "ts").entry.first_event is None


def test_a_batch_that_is_written_again_is_found(tmp_path):
    run(tmp_path, [BATCH])
    before = files_in(tmp_path)
    outcome = run(tmp_path, [BATCH], bundle_repeat=1)
    assert files_in(tmp_path) == before
    assert outcome.counters["objects_found"] > 0
    assert "objects_written" not in outcome.counters


@given(st.lists(FEW, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_batch_in_any_order_is_the_same_object(rows, chance):
    shuffled = chance.sample(rows, len(rows))
    one, other = (entry_of(in_order(RawPack.of(each)), "null") for each in (rows, shuffled))
    assert one == other


def test_an_object_is_named_only_after_it_is_complete(tmp_path, monkeypatch):
    def fail_on_entries(path, content):
        if path.endswith(".json"):
            raise ObjectStoreError("the disk is full")
        return create_object(path, content)

    monkeypatch.setattr(write_archive, "create_object", fail_on_entries)
    with pytest.raises(RuntimeError, match="the disk is full"):
        run(tmp_path, [BATCH])
    assert [*archived(tmp_path)] == []
    monkeypatch.undo()
    run(tmp_path, [BATCH])
    assert len([*archived(tmp_path)]) == 1


def test_batches_of_other_hours_are_in_other_folders(tmp_path):
    later = RawEvent(b"", {}, "m9", BASE + HOUR, "")
    run(tmp_path, [BATCH, (BASE + HOUR, RawPack.of([later]))])
    folders = {file.rpartition("/")[0][-5:] for file in files_in(tmp_path)}
    assert folders == {"hr=00", "hr=01"}


@pytest.mark.parametrize(
    ("field", "value"), [("codec", "lz4"), ("source", ""), ("path", "s3://b/x")]
)
def test_what_cannot_be_is_refused(field, value):
    with pytest.raises(ValueError, match=value or "source"):
        WriteArchive(**{"path": "archive", "source": "events", field: value})
