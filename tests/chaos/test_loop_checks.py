"""A wrong job or store, made up, must be found by the checks that follow a seed of the loop."""

import pytest
from datasketches import update_theta_sketch

from chaos import loop_checks as checks
from chaos.loop_oracle import OracleCell

_HOUR = 3_600_000
_AT = 494_444 * _HOUR
_COUNT = OracleCell("user", "u1", "events", _AT, 2, "integer", "2")
_LAST = OracleCell("user", "u1", "last_event", _AT + 5, 0, "text", "login")
_DISTINCT = OracleCell("user", "u1", "sessions", _AT, 1, "distinct", "1")
_CELLS = (_COUNT, _LAST, _DISTINCT)
_KEY = checks.row_key("user", "u1")
_TILE = (_KEY, "t", "events", _AT * 1_000)
_COUNTED = {
    "read": 10, "accepted": 6, "late": 1, "duplicate": 1, "conflict": 1,
    "rejected": {"not_json": 1}, "mutations": 4, "written": 4, "refused": 0, "tiles_withheld": 0,
}  # fmt: skip


def _sketch(*values: str) -> bytes:
    sketch = update_theta_sketch(11)
    for value in values:
        sketch.update(value)
    return sketch.compact().serialize()


def _table() -> dict:
    return {
        _TILE: ((_AT + 2) * 1_000, (2).to_bytes(8, "big")),
        (_KEY, "s", "last_event", 0): ((_AT + 5) * 1_000, b"login"),
        (_KEY, "t", "sessions", _AT * 1_000): ((_AT + 1) * 1_000, _sketch("a")),
    }


def _wrong(table, less=_CELLS, full=_CELLS, **how):
    wanted = checks.places_of(less, ()), checks.places_of(full, ())
    return [each.told for each in checks.cell_violations("live", table, wanted, (), **how)]


def test_a_right_table_violates_nothing():
    assert _wrong(_table()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.pop(_TILE),
        lambda table: table.update({_TILE: ((_AT + 1) * 1_000, (1).to_bytes(8, "big"))}),
        lambda table: table.update({_TILE: ((_AT + 2) * 1_000, (3).to_bytes(8, "big"))}),
        lambda table: table.update({(_KEY, "s", "last_event", 0): ((_AT + 5) * 1_000, b"click")}),
        lambda table: table.update({(_KEY, "s", "last_event", 0): ((_AT + 4) * 1_000, b"login")}),
        lambda table: table.update(
            {(_KEY, "t", "sessions", _AT * 1_000): ((_AT + 1) * 1_000, _sketch("a", "b"))}
        ),
        lambda table: table.update({("00#user#u2", "t", "events", 0): (1_000, bytes(8))}),
    ],
    ids=["deleted", "overwritten", "miscounted", "other", "older", "distinct", "stranger"],
)
def test_a_cell_that_is_deleted_or_changed_after_the_run_is_found(spoil):
    table = _table()
    spoil(table)
    [told] = _wrong(table)
    assert "1 of" in told
    assert [each.promise for each in checks.replay_violations("c", table, _table(), (), set())] == [
        checks.REPLAY
    ]


def test_late_events_are_out_of_their_tiles_unless_a_job_was_started_again():
    full = (_COUNT._replace(n=4, value="4"), *_CELLS[1:])
    three = {**_table(), _TILE: ((_AT + 3) * 1_000, (3).to_bytes(8, "big"))}
    assert _wrong(_table(), _CELLS, full) == []
    assert len(_wrong(three, _CELLS, full)) == 1
    assert _wrong(three, _CELLS, full, between=True) == []
    one = {**_table(), _TILE: ((_AT + 1) * 1_000, (1).to_bytes(8, "big"))}
    assert len(_wrong(one, _CELLS, full, between=True)) == 1


def test_what_a_proxy_acknowledged_and_dropped_is_missed_in_archive_and_counters():
    published = {"m1": (b"a", {}), "m2": (b"b", {"k": "v"})}
    assert not [*checks.archive_violations(published, dict(published))]
    wrong = [{"m1": (b"a", {})}, {**published, "m2": (b"b", {})}, {**published, "m3": (b"c", {})}]
    for archived in wrong:
        [found] = checks.archive_violations(published, archived)
        assert found.promise == checks.CONSERVATION
    assert not [*checks.count_violations("live", _COUNTED, 7, 10)]
    assert len([*checks.count_violations("live", _COUNTED, 8, 11)]) == 2


@pytest.mark.parametrize(
    "change",
    [{"written": 3}, {"read": 11}, {"written": 3, "refused": 1}, {"tiles_withheld": 2}],
    ids=["unwritten", "unaccounted", "refused", "withheld"],
)
def test_counters_that_do_not_add_up_are_found(change):
    assert [*checks.count_violations("live", {**_COUNTED, **change}, 7, 10)]


def test_a_quarantine_that_lacks_a_message_or_has_one_too_much_is_found():
    wanted, rivals = {("m1", "not_json")}, {"m2": "e1", "m3": "e1"}
    right = {("m1", "not_json"), ("m3", "id_conflict")}
    assert not [*checks.refusal_violations("q", right, wanted, rivals)]
    wrong = [
        {("m3", "id_conflict")},
        right | {("m4", "not_utf8")},
        right | {("m4", "id_conflict")},
        wanted,
    ]
    assert [len([*checks.refusal_violations("q", each, wanted, rivals)]) for each in wrong] == [
        1,
        1,
        1,
        1,
    ]


def test_rows_that_differ_are_told_by_their_number_and_keys():
    [found] = checks.row_violations("p", "rows", {"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4})
    assert found.told == "rows: 2 of 3 rows are wrong: b, c"
