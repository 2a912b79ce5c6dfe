"""The smaller steps of a release: ledger, plan, finding, settling, and what is known already."""

from pathlib import Path

import apache_beam as beam
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_layout import HOUR
from schemas.candidates import Candidate, Touch
from schemas.cell_lines import change_json
from schemas.cells import Cell, RowChange
from schemas.packs import EventPack, RawPack
from schemas.quarantine_avro import to_avro
from schemas.rejected import Rejected
from schemas.released import release_key
from tests.archive_builders import compact as compacted
from tests.archive_builders import put
from tests.engine import run_batch
from tests.pipelines.release_runs import NOON, messages
from transforms.archive_objects import BadArchiveError
from transforms.count_released import CountReleased
from transforms.count_touched import CountTouched
from transforms.find_released import FindReleased, standing_of
from transforms.keep_unknown import KeepUnknown
from transforms.ledger import ReadLedger, WriteLedger, released_keys
from transforms.object_store import list_objects
from transforms.quarantine import Quarantine, read_quarantine
from transforms.quarantine_filter import Filter
from transforms.read_quarantine import ReadQuarantine
from transforms.read_touched import PlanTouched, ReadTouched, hours_of, needed
from transforms.repair_touched import change_key
from transforms.settle_changes import SettleChanges
from transforms.write_cells import refused_change

pytestmark = pytest.mark.engine

TABLE = "projects/p/instances/i/tables/t"
ONE = Rejected("Decode", "not_json", "", b"{", {}, "7", "", None, NOON)
DIGESTS = [bytes([n]) * 16 for n in range(6)]


def also(record=ONE, **changed):
    return msgspec.structs.replace(record, **changed)


def created(pipeline, label, values, kind):
    return pipeline | label >> beam.Create(list(values)).with_output_types(kind)


def candidate(
    record=ONE, event_id=DIGESTS[0], content=DIGESTS[1], start=NOON, end=NOON + 1, tiles=()
):
    return Candidate(record, event_id, content, start, end, [Touch(b"r", [], list(tiles))])


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_the_ledger_names_each_message_once_and_is_the_same_when_it_is_written_again(
    tmp_path, bundle_repeat
):
    released = [also(message_id=str(n)) for n in range(5)] + [also(message_id="0", attempt=3)]
    released.append(also(publish_time=None, rejected_at=NOON))

    def build(pipeline):
        rows = created(pipeline, "Rows", released, Rejected)
        return {"names": rows | WriteLedger(str(tmp_path), TABLE)}

    run_batch(build, bundle_repeat)
    before = {each.path for each in list_objects(str(tmp_path))}
    run_batch(build)
    assert {each.path for each in list_objects(str(tmp_path))} == before
    found = list(released_keys(str(tmp_path)))
    assert sorted(found) == sorted({release_key(each) for each in released})

    def read(pipeline, sink=TABLE):
        return {"keys": pipeline | ReadLedger(str(tmp_path), sink)}

    assert sorted(run_batch(read)["keys"]) == sorted(found)
    assert run_batch(lambda pipeline: read(pipeline, "another"))["keys"] == []


def test_records_that_were_handed_in_again_are_objects_of_their_own(tmp_path):
    records = [also(message_id=str(n)) for n in range(3)]
    for attempt in (0, 0, 1, 1, 2):
        rows = [also(each, attempt=attempt) for each in records]
        run_batch(
            lambda pipeline, rows=rows: {
                "names": created(pipeline, "Rows", rows, Rejected) | Quarantine(str(tmp_path))
            }
        )
    found = list(read_quarantine(str(tmp_path)))
    assert sorted(each.attempt for each in found) == [0] * 3 + [1] * 3 + [2] * 3


def test_a_quarantine_is_read_but_for_folders_that_hold_nothing_of_it(tmp_path):
    records = [
        ONE,
        also(publish_time=NOON - 48 * HOUR),
        also(step="WriteCells", reason="mutation_refused"),
        also(reason="wrong_type", attempt=1),
    ]
    for n, record in enumerate(records):
        run_batch(
            lambda pipeline, record=record, n=n: {
                "names": created(pipeline, f"Row{n}", [record], Rejected)
                | Quarantine(str(tmp_path))
            }
        )

    def read(meant):
        found = run_batch(lambda p: (p | ReadQuarantine(str(tmp_path), meant))._asdict())["records"]
        return sorted((each.step, each.reason, each.publish_time) for each in found)

    told = sorted((each.step, each.reason, each.publish_time) for each in records)
    assert read(Filter()) == told
    # What was refused again for another reason, or later, may hide what is meant.
    assert read(Filter("Decode", "not_json", NOON - HOUR, NOON - 1)) == [
        ("Decode", "not_json", NOON),
        ("Decode", "wrong_type", NOON),
    ]


@given(
    st.integers(0, 9 * HOUR),
    st.integers(1, 2 * HOUR),
    st.integers(0, 3 * HOUR),
    st.integers(0, 3 * HOUR),
    st.none() | st.integers(-9 * HOUR, 30 * HOUR),
    st.integers(0, 99),
)
def test_no_hour_is_missed_in_which_an_event_of_a_tile_may_have_been_published(
    start, length, future, lateness, published, within
):
    record = also(publish_time=None if published is None else NOON + published)
    one = candidate(record, start=NOON + start, end=NOON + start + length)
    hours = list(hours_of(one, future, lateness))
    assert len(hours) == len(set(hours))
    moment = one.start + within * (length - 1) // 99
    for time in (moment - future, moment, moment + lateness):
        assert time // HOUR * HOUR in hours
    assert record.publish_time is None or record.publish_time // HOUR * HOUR in hours
    extra = published is not None
    assert len(hours) <= (length + future + lateness) // HOUR + 2 + extra


def plan(root, candidates, **given):
    def build(pipeline):
        rows = created(pipeline, "Rows", candidates, Candidate)
        objects = rows | PlanTouched(str(root), "events", HOUR, HOUR)
        return {"objects": objects, "packs": objects | ReadTouched()}

    return run_batch(build, **given)


def test_each_object_of_the_hours_is_read_once_and_no_other(tmp_path):
    hours = {n: messages([b"%d" % n], published=NOON + n * HOUR) for n in range(-3, 5)}
    for some in hours.values():
        put(tmp_path, some)
    found = plan(tmp_path, [candidate(), candidate(end=NOON + 5), candidate()])
    assert sorted(payload for pack in found["packs"] for payload in pack.payloads) == [
        b"-1", b"0", b"1",
    ]  # fmt: skip
    assert found.counters["objects_planned"] == found.counters["objects_read"] == 3
    assert found.counters["events_planned"] == 3
    # A message that came too late for its tile is looked for where it is.
    late = candidate(also(publish_time=NOON + 4 * HOUR + 7))
    found = plan(tmp_path, [late])
    assert {b"4", b"0"} <= {payload for pack in found["packs"] for payload in pack.payloads}


def test_what_a_compaction_has_replaced_is_not_read_as_well(tmp_path):
    puts = [put(tmp_path, messages([b"%d" % n], NOON + n)) for n in range(4)]
    compacted(puts, tmp_path)
    found = plan(tmp_path, [candidate()])
    assert sorted(payload for pack in found["packs"] for payload in pack.payloads) == [
        b"0", b"1", b"2", b"3",
    ]  # fmt: skip
    assert found.counters["objects_read"] == 1


def test_objects_whose_event_times_lie_elsewhere_are_not_read(tmp_path):
    known = put(tmp_path, messages([b"a"], NOON), event_times=[NOON - 5]).entry
    assert not needed(known, [(NOON, NOON + 1), (NOON - 9, NOON - 5)])
    assert needed(known, [(NOON, NOON + 1), (NOON - 5, NOON - 4)])
    assert plan(tmp_path, [candidate()])["packs"] == []


def test_a_missing_object_of_the_archive_fails_the_step_with_its_name(tmp_path):
    bad = put(tmp_path, messages([b"a"], NOON))
    Path(bad.path).unlink()
    with pytest.raises(BadArchiveError, match=f"{bad.path}: .*nothing is computed anew without"):
        plan(tmp_path, [candidate()])


@given(st.lists(st.tuples(st.sampled_from(DIGESTS), st.sampled_from(DIGESTS)), max_size=12))
def test_ids_are_found_however_their_names_were_joined(pairs):
    unique = dict(pairs)
    names = [key + value for key, value in unique.items()]
    asked = DIGESTS[:3]
    wanted = {key: value for key, value in unique.items() if key in asked}
    assert standing_of(asked, names) == wanted
    assert standing_of(asked, [b"".join(names)]) == wanted


@pytest.mark.parametrize("shards", [1, 5])
def test_candidates_are_found_with_their_content_only(shards):
    rows = {name: also(message_id=name) for name in ("found", "other", "absent")}
    asked = [
        candidate(rows["found"], DIGESTS[0], DIGESTS[1]),
        candidate(rows["other"], DIGESTS[2], DIGESTS[1]),
        candidate(rows["absent"], DIGESTS[3], DIGESTS[1]),
    ]
    pack = EventPack(
        [DIGESTS[0], DIGESTS[2], DIGESTS[4]], [DIGESTS[1], DIGESTS[5], DIGESTS[1]], [1, 2, 3],
        RawPack([b"", b"", b""]),
    )  # fmt: skip

    def build(pipeline):
        given = (
            created(pipeline, "Asked", asked, Candidate),
            created(pipeline, "Known", [pack], EventPack),
        )
        return (given | FindReleased(shards))._asdict()

    done = run_batch(build)
    assert done["released"] == [asked[0]]
    (refused,) = done["rejected"]
    assert (refused.message_id, refused.reason, refused.attempt) == ("other", "id_conflict", 1)
    assert refused.step == "Decode"
    assert done.counters["not_archived"] == done.counters["conflict_found"] == 1


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_changes_are_settled_by_what_the_writer_refuses(bundle_repeat):
    changes = [RowChange(b"%d" % n, [Cell("s", "plan", 1_000, b"x")]) for n in range(3)]
    records = [
        also(refused_change(each, "OLD", TABLE), attempt=2, rejected_at=9) for each in changes
    ]
    applied = [(change_key(change_json(c)), r) for c, r in zip(changes[:2], records, strict=False)]
    refusals = [refused_change(each, "NEW", TABLE) for each in changes[1:]]

    def build(pipeline):
        given = (
            created(pipeline, "Applied", applied, tuple[bytes, Rejected]),
            created(pipeline, "Refusals", refusals, Rejected),
        )
        return (given | SettleChanges())._asdict()

    done = run_batch(build, bundle_repeat)
    assert set(map(release_key, done["written"])) == {release_key(records[0])}
    assert {(each.payload, each.detail, each.attempt) for each in done["rejected"]} == {
        (records[1].payload, "NEW", 3),
        (records[2].payload, "NEW", 0),
    }


def test_messages_that_the_quarantine_holds_are_not_refused_again(tmp_path):
    known = [ONE, also(message_id="8", step="Deduplicate", reason="id_conflict")]
    for n, record in enumerate(known):
        path = tmp_path / f"step={record.step}" / "dt=2026-01-05" / f"{n}.avro"
        path.parent.mkdir(parents=True)
        path.write_bytes(to_avro([record]))
    (tmp_path / "step=Decode" / "dt=2026-01-05" / "cut.avro").write_bytes(b"Obj")
    asked = [
        also(reason="wrong_type"),
        also(message_id="8"),
        also(message_id="9"),
        also(publish_time=NOON + 48 * HOUR),
    ]

    def build(pipeline):
        rows = created(pipeline, "Rows", asked, Rejected)
        return {"kept": rows | KeepUnknown(str(tmp_path))}

    done = run_batch(build)
    assert sorted(done["kept"], key=lambda each: each.message_id) == [asked[3], asked[2]]
    assert (done.counters["known_rejects"], done.counters["unread_objects"]) == (2, 1)


def test_touched_tiles_are_counted_once():
    some = [
        candidate(tiles=[(1, 60), (2, 60)]),
        candidate(tiles=[(1, 60), (1, 180)]),
    ]

    def build(pipeline):
        return {"rows": created(pipeline, "Rows", some, Candidate) | CountTouched()}

    done = run_batch(build)
    assert done["rows"] == [b"r"]
    assert (done.counters["tiles_touched"], done.counters["rows_touched"]) == (3, 1)


_ENDED = []


def _end(element):
    _ENDED.append(element)
    return element


def _seen(record):
    return len(_ENDED)


def test_nothing_is_released_before_what_it_waits_for_has_ended():
    _ENDED.clear()

    def build(pipeline):
        done = created(pipeline, "Done", range(50), int) | "Spread" >> beam.Reshuffle()
        ended = done | "End" >> beam.Map(_end)
        rows = created(pipeline, "Rows", [ONE], Rejected)
        return {"seen": rows | CountReleased([ended]) | "Seen" >> beam.Map(_seen)}

    done = run_batch(build)
    assert done["seen"] == [50]
    assert done.counters["released"] == done.counters["released.Decode.not_json"] == 1
