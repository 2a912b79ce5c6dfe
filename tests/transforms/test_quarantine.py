import pathlib

import apache_beam as beam
import fastavro
import msgspec
import pytest
from apache_beam.transforms.window import FixedWindows, TimestampedValue
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import MAX_MICROS, MIN_MICROS, RawEvent
from schemas.quarantine_avro import from_avro, identity, to_avro
from schemas.rejected import Reason, Rejected, reject
from tests.engine import run_batch
from transforms.object_store import ObjectStoreError
from transforms.quarantine import Quarantine, read_quarantine

pytestmark = pytest.mark.engine

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "quarantine_before_replay.avro"
NOON = 1_767_268_800  # 2026-01-01T12:00:00Z, in seconds


def noon():
    return NOON


def any_rejected(n=0, **changes):
    raw = RawEvent(b"\xff\x00{", {"b": "2", "a": "1"}, f"m{n}", NOON * 1_000_000, "key")
    return msgspec.structs.replace(
        reject(raw, "Decode", Reason.NOT_UTF8, "payload", event_time=5), **changes
    )


def quarantine(records, path, bundle_repeat=0, **options):
    transform = Quarantine(str(path), **{"clock": noon, **options})
    return run_batch(
        lambda p: {"names": p | beam.Create(records, reshuffle=False) | transform}, bundle_repeat
    )


def files(path):
    found = (file for file in pathlib.Path(path).rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in found}


def stamped(record):
    return TimestampedValue(record, record.event_time / 1e6)


def test_a_record_comes_back_with_its_bytes_and_the_stamps(tmp_path):
    quarantine([any_rejected()], tmp_path, job="hot-path")
    (record,) = read_quarantine(str(tmp_path))
    assert record == any_rejected(rejected_at=NOON * 1_000_000, job="hot-path")


def test_a_record_that_was_kept_before_keeps_the_time_of_its_first_refusal(tmp_path):
    """By it a release knows which repairs came after a change was refused."""
    quarantine([any_rejected(attempt=1, rejected_at=9)], tmp_path, job="hot-path")
    (record,) = read_quarantine(str(tmp_path))
    assert (record.rejected_at, record.attempt) == (9, 1)


def test_objects_stand_by_step_and_by_day_of_the_publish_time_or_of_the_rejection(tmp_path):
    records = [
        any_rejected(0),
        any_rejected(1, publish_time=0),
        any_rejected(2, publish_time=None, step="Write/Cells"),
    ]
    names = quarantine(records, tmp_path)["names"]
    assert sorted(names) == sorted(files(tmp_path))
    assert {name.rpartition("/")[0] for name in names} == {
        "step=Decode/dt=2026-01-01",
        "step=Decode/dt=1970-01-01",
        "step=Write%2FCells/dt=2026-01-01",
    }


def test_repeated_bundles_write_the_same_objects_and_no_doubles(tmp_path):
    records = [any_rejected(n, publish_time=n * 3_600_000_000) for n in range(60)]
    quarantine(records, tmp_path / "once")
    quarantine(records, tmp_path / "twice", bundle_repeat=1)
    assert files(tmp_path / "once") == files(tmp_path / "twice")
    assert len([*read_quarantine(str(tmp_path / "twice"))]) == 60


def test_the_names_depend_neither_on_the_clock_nor_on_how_records_were_bundled(tmp_path):
    records = [any_rejected(n) for n in range(20)]
    quarantine(records, tmp_path / "a")
    quarantine(records[::-1], tmp_path / "b", clock=float, max_bytes=1)
    assert files(tmp_path / "a").keys() == files(tmp_path / "b").keys()


def test_a_second_run_over_the_same_input_adds_nothing(tmp_path):
    for _ in range(2):
        outcome = quarantine([any_rejected(n) for n in range(9)], tmp_path)
    assert len([*read_quarantine(str(tmp_path))]) == 9
    assert outcome.counters == {"quarantined": 9}


def test_equal_records_are_all_kept(tmp_path):
    records = [any_rejected(message_id="")] * 7
    quarantine(records, tmp_path, max_bytes=1)
    assert len([*read_quarantine(str(tmp_path))]) == 7


def test_windows_and_late_data_make_no_difference(tmp_path):
    def build(pipeline):
        windowed = (
            pipeline
            | beam.Create([any_rejected(n, event_time=n * 10**9) for n in range(10)])
            | beam.Map(stamped).with_output_types(Rejected)
            | beam.WindowInto(FixedWindows(60))
        )
        return {"names": windowed | Quarantine(str(tmp_path), clock=noon)}

    run_batch(build)
    assert len([*read_quarantine(str(tmp_path))]) == 10


def test_a_place_that_cannot_be_written_fails_the_job_with_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ObjectStoreError, match="check that the place exists") as raised:
        quarantine([any_rejected()], tmp_path / "file")
    assert str(tmp_path / "file") in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", ["", "s3://bucket/x", "gs://"])
def test_a_path_of_another_kind_is_refused_when_the_job_is_built(path):
    with pytest.raises(ValueError, match="gs://BUCKET"):
        Quarantine(path)


def test_any_avro_reader_reads_an_object_with_its_schema(tmp_path):
    quarantine([any_rejected()], tmp_path)
    (path,) = tmp_path.rglob("*.avro")
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        (row,) = reader
    assert (reader.codec, reader.writer_schema["name"]) == ("deflate", "penstock.Rejected")
    assert row["payload"] == b"\xff\x00{"
    assert row["publish_time"].isoformat() == "2026-01-01T12:00:00+00:00"


times = st.none() | st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
texts = st.text(st.characters(codec="utf-8"), max_size=9)
records = st.builds(
    Rejected,
    step=texts,
    reason=texts,
    detail=texts,
    payload=st.binary(max_size=50),
    attributes=st.dictionaries(texts, texts, max_size=3),
    message_id=texts,
    ordering_key=texts,
    event_time=times,
    publish_time=times,
    rejected_at=st.integers(0, 2**50),
    job=texts,
    attempt=st.integers(0, 9),
    replayed_from=texts,
    run=texts,
)


@given(st.lists(records, max_size=4))
def test_avro_gives_back_every_record_as_it_was(given_records):
    assert [*from_avro(to_avro(given_records))] == given_records


@given(st.lists(records, min_size=1, max_size=3))
def test_equal_records_have_equal_bytes_whatever_the_order_of_their_attributes(given_records):
    turned = [
        msgspec.structs.replace(r, attributes=dict([*r.attributes.items()][::-1]))
        for r in given_records
    ]
    assert to_avro(turned) == to_avro(given_records)


@given(records, records)
def test_identity_leaves_out_the_handling_and_nothing_else(one, other):
    handling = {
        name: getattr(one, name) for name in ("rejected_at", "attempt", "replayed_from", "run")
    }
    later = msgspec.structs.replace(other, **handling)
    assert (identity(one) == identity(other)) == (one == later)


@pytest.mark.parametrize("micros", [MIN_MICROS, MAX_MICROS])
def test_a_time_that_no_reader_could_show_is_no_reason_to_lose_the_record(micros, tmp_path):
    quarantine([any_rejected(publish_time=micros, event_time=micros)], tmp_path)
    (record,) = read_quarantine(str(tmp_path))
    assert (record.event_time, record.publish_time) == (None, None)
    assert [*tmp_path.rglob("dt=unknown/*.avro")]


def test_objects_that_were_written_before_replays_are_still_read_and_keep_their_names():
    """The golden object was written when `attempt` was the last field."""
    (record,) = read_quarantine(str(GOLDEN))
    assert record == any_rejected(
        detail="payload",
        attributes={"a": "1"},
        message_id="m1",
        rejected_at=NOON * 1_000_000 + 1,
        job="hot-path",
        attempt=2,
    )
    assert (record.replayed_from, record.run) == ("", "")
    assert identity(record).hex() == "1580c46b19eaadc40375831cc86dad25"


def test_a_replay_is_stamped_and_the_live_path_is_not(tmp_path):
    quarantine([any_rejected()], tmp_path / "live")
    quarantine([any_rejected()], tmp_path / "again", replayed_from="gs://b#orders", run="r1")
    (live,) = read_quarantine(str(tmp_path / "live"))
    (again,) = read_quarantine(str(tmp_path / "again"))
    assert (live.replayed_from, live.run) == ("", "")
    assert again == msgspec.structs.replace(live, replayed_from="gs://b#orders", run="r1")
    assert files(tmp_path / "live").keys() == files(tmp_path / "again").keys()
