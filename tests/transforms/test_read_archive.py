"""Messages come back from the archive as they arrived, and what is bad is named."""

import io
from pathlib import Path

import apache_beam as beam
import fastavro
import pytest
from apache_beam.transforms.window import GlobalWindow

from pipelines.failures import known_failure
from schemas.archive_avro import ARCHIVE_SCHEMA
from schemas.archive_layout import HOUR
from schemas.events import RawEvent
from schemas.rejected import Reason
from schemas.replay_plan import ReplaySpan
from tests.archive_builders import compact, put, put_all, put_overlapping
from tests.engine import run_batch
from transforms.archive_objects import BadArchiveError
from transforms.read_archive import ReadArchive, _ListObjects, _ReadObjects

pytestmark = pytest.mark.engine

START = 20_000 * 24 * HOUR
SPAN = ReplaySpan.of(START, START + 3 * HOUR, 0, 0)


def message(n, payload=None):
    content = payload or b'{"n":%d}' % n
    return RawEvent(content, {"a": str(n)}, f"m{n}", START + n * 60_000_000, f"k{n % 3}")


MESSAGES = [message(n) for n in range(100)]


def stamps(pack, timestamp=beam.DoFn.TimestampParam, window=beam.DoFn.WindowParam):
    return timestamp.micros, min(pack.publish_times), window


def read(root, span=SPAN, bundle_repeat=0, **options):
    def build(pipeline):
        given = pipeline | ReadArchive(str(root), "events", span, **options)
        return {
            "packs": given.packs,
            "rejected": given.rejected,
            "stamps": given.packs | beam.Map(stamps),
        }

    return run_batch(build, bundle_repeat)


def rows(outcome):
    found = [pack.row(n) for pack in outcome["packs"] for n in range(len(pack))]
    return sorted(found, key=lambda raw: raw.publish_time)


def test_every_message_comes_back_as_it_arrived(tmp_path):
    put_all(tmp_path, MESSAGES)
    done = read(tmp_path)
    assert rows(done) == MESSAGES
    assert done.counters == {"objects_read": 15}
    assert done["rejected"] == []


def test_a_pack_is_stamped_with_its_least_publish_time_in_the_global_window(tmp_path):
    put_all(tmp_path, MESSAGES)
    found = read(tmp_path)["stamps"]
    assert found
    for timestamp, least, window in found:
        assert (timestamp, window) == (least, GlobalWindow())


def test_what_was_published_outside_the_range_is_not_read(tmp_path):
    put(tmp_path, MESSAGES[:60])
    put(tmp_path, MESSAGES[60:])
    span = ReplaySpan.of(START + 15 * 60_000_000, START + 20 * 60_000_000, 60_000_000, 120_000_000)
    done = read(tmp_path, span)
    assert rows(done) == MESSAGES[14:22]
    assert done.counters == {"objects_read": 1}


def test_objects_that_overlap_bring_a_message_as_often_as_they_hold_it(tmp_path):
    puts = put_overlapping(tmp_path, MESSAGES)
    done = read(tmp_path)
    assert len(rows(done)) == sum(one.entry.events for one in puts)
    assert {row.message_id for row in rows(done)} == {one.message_id for one in MESSAGES}


def test_a_compaction_brings_the_same_messages(tmp_path):
    compact(put_all(tmp_path, MESSAGES), tmp_path)
    done = read(tmp_path)
    assert rows(done) == MESSAGES
    assert done.counters == {"objects_read": 2}


def test_a_compaction_between_listing_and_reading_changes_nothing(tmp_path):
    puts = put_all(tmp_path, MESSAGES)
    given = ReadArchive(str(tmp_path), "events", SPAN)
    listed = list(_ListObjects(given).process(b""))
    compact(puts, tmp_path)
    reading = _ReadObjects(given)
    packs = [stamped.value for each in listed for stamped in reading.process(each)]
    assert [pack.row(n) for pack in packs for n in range(len(pack))] == MESSAGES


def _cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def _delete(path):
    path.unlink()


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_bytes(b"no Avro at all")


def _recode(path):
    _avro(path, ARCHIVE_SCHEMA, fastavro.reader(io.BytesIO(path.read_bytes())))


def _foreign(path):
    schema = {"type": "record", "name": "X", "fields": [{"name": "x", "type": "string"}]}
    _avro(path, schema, [{"x": "secret"}])


def _avro(path, schema, records):
    file = io.BytesIO()
    fastavro.writer(file, schema, list(records), codec="deflate")
    path.write_bytes(file.getvalue())


FAULTS = {
    Reason.OBJECT_DAMAGED: (_cut, "cut or damaged"),
    Reason.OBJECT_MISSING: (_delete, "no such object, but the manifest names it"),
    Reason.OBJECT_EMPTY: (_empty, "an empty object"),
    Reason.OBJECT_NOT_AVRO: (_text, "not an Avro file"),
    Reason.OBJECT_WRONG_CODEC: (_recode, "compressed by deflate, not by zstd"),
    Reason.OBJECT_FOREIGN_SCHEMA: (_foreign, "of another Avro schema"),
}
each_fault = pytest.mark.parametrize(
    ("reason", "damage", "words"), [(reason, *rest) for reason, rest in FAULTS.items()]
)


@each_fault
def test_a_bad_object_fails_the_job_with_one_line_that_names_it(tmp_path, reason, damage, words):
    puts = put_all(tmp_path, MESSAGES)
    damage(Path(puts[3].path))
    with pytest.raises(BadArchiveError) as raised:
        read(tmp_path)
    line = known_failure(raised.value)
    assert line is not None
    assert line.startswith(f"{puts[3].path}: {words}")
    assert line.endswith("restore it, or, if it is no repair, give --on_bad_object=quarantine")


@each_fault
def test_a_bad_object_is_refused_by_name_and_the_rest_is_read(tmp_path, reason, damage, words):
    puts = put_all(tmp_path, MESSAGES)
    damage(Path(puts[3].path))
    done = read(tmp_path, on_bad_object="quarantine")
    assert rows(done) == MESSAGES[:21] + MESSAGES[28:]
    (refused,) = done["rejected"]
    assert (refused.step, refused.reason) == ("ReadArchive", reason.value)
    assert refused.payload == puts[3].path.encode()
    assert refused.publish_time == puts[3].entry.first_publish
    assert words in refused.detail
    assert "secret" not in repr(refused)
    assert done.counters == {"objects_read": 14, "bad_objects": 1}


def test_other_words_for_bad_objects_are_refused():
    with pytest.raises(ValueError, match="on_bad_object='skip': use fail or quarantine"):
        ReadArchive("x", "events", SPAN, "skip")
    with pytest.raises(ValueError, match="source: empty"):
        ReadArchive("x", "", SPAN)
