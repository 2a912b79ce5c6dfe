"""Little input that stands for much by its number: of frames, of records, of blocks, of digits."""

import json
import zlib

import msgspec
import pytest
from backports import zstd

from console.launch_environment import load_environment
from console.launch_file import FileError
from schemas import quarantine_reading
from schemas.archive_avro import ARCHIVE_SCHEMA, BadObjectError, Fault, from_avro
from schemas.curated_records import CuratedRecords
from schemas.quarantine_avro import QUARANTINE_SCHEMA, to_avro
from schemas.quarantine_reading import proven_records
from schemas.raw_avro_rows import container
from schemas.rejected import Rejected
from schemas.usual_avro_rows import usual_rows
from tests.schemas.any_event import SHIPPED
from tests.security.test_bombs import MB, MERGES, Bounded

pytestmark = pytest.mark.engine


def avro(codec, blocks, schema=ARCHIVE_SCHEMA):
    return container(schema, codec, blocks, lambda _: bytes(16))


def deflated(plain):
    stream = zlib.compressobj(1, wbits=-15)
    return stream.compress(plain) + stream.flush()


def test_a_block_of_very_many_frames_takes_no_longer_than_one_of_few():
    """What was left, and what was there, was copied for each: 33 KB took minutes."""
    block = zstd.compress(b"\0" * (20 * MB)) + zstd.compress(b"a") * 5_000
    with Bounded(100 * MB, seconds=5.0), pytest.raises(BadObjectError) as error:
        from_avro(avro("zstandard", [(1, block)]))
    assert error.value.fault == Fault.DAMAGED


def test_a_block_of_several_frames_is_read_and_a_cut_one_is_told():
    row = b"\0\0\0\0\0"
    frames = [zstd.compress(row), zstd.compress(b""), zstd.compress(row)]
    assert from_avro(avro("zstandard", [(2, b"".join(frames))])).payloads == [b"", b""]
    with pytest.raises(BadObjectError):
        from_avro(avro("zstandard", [(2, b"".join(frames)[:-1])]))


def test_a_block_of_more_records_than_the_suite_writes_is_refused():
    """Each takes five bytes of a block that inflates a thousandfold, and a hundred in memory."""
    content = avro("deflate", [(1_000_001, deflated(b"\0" * (5 * MB + 5)))])
    with Bounded(MB), pytest.raises(BadObjectError, match="more than 1000000 records"):
        from_avro(content)


def test_the_places_of_zeros_are_not_held_where_there_are_too_many():
    """They take eight bytes each: a block of zeros, as large as it may be, took 2 GB."""
    with Bounded(100 * MB):
        assert usual_rows(bytes(40 * MB), 7) is None


def refused(payload):
    return Rejected("Decode", "not_json", "", payload, {"a": "b"}, "7", "", None, 0)


def test_of_a_quarantines_object_no_more_than_a_block_is_held(monkeypatch):
    """Its records were all in memory before the first one left: 10 MB of file, 10 GB of records."""
    monkeypatch.setattr(quarantine_reading, "_HELD_BYTES", 4 * MB)
    whole = to_avro([refused(b"a" * MB)])
    row = next(block for _, block in quarantine_reading.AvroBlocks(whole))
    content = avro("deflate", [(1, deflated(row))] * 60, QUARANTINE_SCHEMA)
    assert len(content) < MB
    with Bounded(20 * MB):
        assert sum(len(record.payload) for record in proven_records(content)) == 60 * MB


@pytest.mark.parametrize("payload", [b"a", b"a" * MB], ids=["small", "large"])
def test_of_a_quarantines_object_that_is_damaged_no_record_leaves(payload, monkeypatch):
    monkeypatch.setattr(quarantine_reading, "_HELD_BYTES", 4 * MB)
    row = next(block for _, block in quarantine_reading.AvroBlocks(to_avro([refused(payload)])))
    blocks = [(1, deflated(row))] * 10
    assert len(list(proven_records(avro("deflate", blocks, QUARANTINE_SCHEMA)))) == 10
    with pytest.raises(BadObjectError, match="is cut or damaged"):
        proven_records(avro("deflate", [*blocks, (1, b"\xff")], QUARANTINE_SCHEMA))


READ = ["event_details.score", "event_details.attempt"]


@pytest.mark.parametrize(
    ("field", "number"),
    [
        *[("score", n) for n in ("1e999990", "1e999999999", '"1e9999"', '"NaN"', '"-Infinity"')],
        *[("attempt", n) for n in ('"a"', f'"{"9" * 5_000}"', "1" + "0" * 30, f'"{2**63}"')],
    ],
)
def test_a_row_with_a_number_that_no_column_holds_is_none(field, number):
    records = CuratedRecords(SHIPPED, {"quiz_submitted": READ})
    row = {
        "event_type": "quiz_submitted",
        "event_id": "e",
        "content_digest": "0",
        "ingest_time": "",
    }
    row |= {"event_timestamp": "2026-01-01T00:00:00Z", "event_details": {field: "@"}}
    line = json.dumps(row).replace('"@"', number).encode()
    with Bounded(MB, seconds=1.0), pytest.raises(msgspec.DecodeError):
        records.of_line(line)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(MERGES).replace("<<:", "!!merge '<<':"),
        "x: !!python/object/apply:os.getcwd []",
        "project: !!python/name:os.getcwd",
    ],
    ids=["merges", "object", "name"],
)
def test_an_environments_file_stands_for_texts_alone(text, tmp_path):
    file = tmp_path / "prod.yaml"
    file.write_text(text)
    with Bounded(20 * MB), pytest.raises(FileError, match="not YAML: could not determine"):
        load_environment(file, ["hot_path"])
