"""What the proof compares with: each check finds what it is there for."""

import pytest

from local.generate import Message
from local.prove_checks import (
    ArchiveWatch,
    Snapshot,
    disputed,
    late_tiles,
    quarantine_problems,
    unbalanced,
    unlike,
)
from local.prove_findings import Findings
from schemas.events import RawEvent
from schemas.quarantine_avro import to_avro
from schemas.rejected import Reason, reject
from tests.archive_builders import SOURCE, complete, put
from transforms.object_store import create_object

PLACE = ("00#user#a", "t", "views", 60_000_000)
NOON = 1_795_000_000_000_000


def test_one_byte_one_version_or_one_cell_more_is_a_difference_but_not_in_a_row_apart():
    held = Snapshot({PLACE: (61_000_000, b"x")}, [])
    for other in ({PLACE: (61_000_000, b"y")}, {PLACE: (62_000_000, b"x")}, {}):
        assert unlike(held, Snapshot(other, []), frozenset()) == {PLACE}
        assert unlike(held, Snapshot(other, []), {PLACE[0]}) == set()
    assert unlike(held, held, frozenset()) == set()


def test_cells_that_no_reader_takes_are_counted_by_family():
    cells = [("r", "t", "views", 61_000_000, b""), ("r", "t", "views", 62_000_000, b"")]
    found = Snapshot({("r", "t", "views", 60_000_000): (62_000_000, b"")}, cells)
    assert (found.older("t"), found.older("s")) == (1, 0)


def truth(n, **more):
    tiles = {"views": {"60000": {"n": n, "value": n}}} if n else {}
    return {"rows": {"00#user#a": [{"state": {}, "tiles": tiles, **more}]}}


def test_the_tiles_of_late_events_are_those_that_the_truths_tell_differently():
    assert late_tiles(truth(2), truth(3)) == {PLACE}
    assert late_tiles(truth(0), truth(1)) == {PLACE}
    assert late_tiles(truth(2), truth(2)) == set()
    assert disputed(truth(1)) == set()
    assert disputed(truth(1, **{"if": {"e": 0}})) == {"00#user#a"}


def counters(**changed):
    counted = {"accepted": 5, "duplicate": 1, "conflict": 1, "late": 1, "rejected": {"bad_id": 2}}
    sinks = {"mutations": 4, "written": 4, "refused": 0}
    return {"read": 10, **counted, **sinks, **changed}


@pytest.mark.parametrize(
    ("changed", "problems"),
    [({}, 0), ({"read": 11}, 1), ({"late": 0}, 1), ({"written": 3}, 1),
     ({"written": 3, "refused": 1}, 1), ({"rejected": {}}, 1)],
)  # fmt: skip
def test_counters_that_do_not_add_up_are_told(changed, problems):
    assert len(unbalanced("run", counters(**changed))) == problems


def message(payload, label, event_id="e", rival=False):
    event = {} if label.startswith("rejected") else {"event_id": event_id}
    return Message(payload, {}, NOON, label, event, NOON, rival=rival)


STREAM = [
    message(b"good", "event"),
    message(b"?", "rejected.not_json"),
    message(b"one", "event", "r", rival=True),
    message(b"two", "conflict", "r", rival=True),
]
RECORDS = {(b"?", Reason.NOT_JSON), (b"two", Reason.ID_CONFLICT)}


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (RECORDS, ""),
        ({(b"?", Reason.NOT_JSON), (b"one", Reason.ID_CONFLICT)}, ""),
        ({(b"two", Reason.ID_CONFLICT)}, "1 refused messages are not in the quarantine"),
        (RECORDS | {(b"good", Reason.BAD_ID)}, "1 records in the quarantine too much (bad_id)"),
        ({(b"?", Reason.BAD_ID), (b"two", Reason.ID_CONFLICT)}, "not in the quarantine"),
        ({(b"?", Reason.NOT_JSON)}, "the ids in conflict are not those of the stream"),
        (RECORDS | {(b"good", Reason.ID_CONFLICT)}, "the ids in conflict"),
    ],
)
def test_the_quarantine_is_compared_as_a_set_of_bytes_and_reasons(tmp_path, records, words):
    rows = [reject(RawEvent(payload), "Step", reason, "") for payload, reason in sorted(records)]
    create_object(f"{tmp_path}/step=Step/dt=2026-11-21/x.avro", to_avro(rows))
    problems = "; ".join(quarantine_problems("run", [str(tmp_path)], STREAM))
    assert words in problems
    assert bool(words) == bool(problems)


def raw(number, offset):
    return RawEvent(b"%d" % number, {}, f"m{number}", NOON + offset)


def test_a_marker_that_is_ahead_of_the_archive_at_any_look_is_found(tmp_path):
    watch = ArchiveWatch(str(tmp_path), SOURCE)
    watch.look()
    put(tmp_path, [raw(1, 10), raw(2, 20)])
    complete(tmp_path, NOON + 25)
    watch.look()
    put(tmp_path, [raw(3, 30), raw(2, 20)])
    watch.look()
    assert watch.marker == NOON + 25
    assert set(watch.messages()) == {"m1", "m2", "m3"}
    assert watch.ahead() == 0
    # What comes now had been promised to be there.
    put(tmp_path, [raw(4, 24)])
    assert watch.ahead() == 2


def test_findings_tell_a_late_event_that_counted_and_anything_else_that_differs():
    said = []
    held, other = Snapshot({PLACE: (61_000_000, b"x")}, []), Snapshot({}, [])

    class Given(Findings):
        late, disputed = frozenset({PLACE}), frozenset()

    found = Given(None, said.append)
    found.same("live", held, other, {PLACE})
    assert found.problems == []
    found.same("live", held, held, {PLACE})
    found.same("live", held, other, set())
    assert [problem.partition(":")[0] for problem in found.problems] == [
        "live",
        "live and replay differ",
    ]
    assert said == [f"WRONG {problem}" for problem in found.problems]
