"""The ledger of releases, and the key of what was refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rejected import Rejected
from schemas.released import ledger_folder, ledger_line, parse_ledger_line, release_key

ONE = Rejected("Decode", "not_json", "no JSON", b"{", {"a": "b"}, "7", "k", 3, 5)
TEXT = st.text(max_size=5)


@given(TEXT, TEXT, TEXT, st.integers(0, 9), st.none() | st.integers(0, 9), TEXT)
def test_who_refused_a_message_and_why_is_no_part_of_its_key(step, reason, detail, n, time, run):
    changed = {"step": step, "reason": reason, "detail": detail, "attempt": n, "rejected_at": n}
    again = msgspec.structs.replace(ONE, **changed, event_time=time, run=run, job=run)
    assert release_key(again) == release_key(ONE)


@pytest.mark.parametrize(
    "changed",
    [
        {"payload": b"["},
        {"attributes": {"a": "c"}},
        {"attributes": {}},
        {"message_id": "8"},
        {"ordering_key": ""},
        {"publish_time": None},
    ],
    ids=str,
)
def test_each_part_of_a_message_is_part_of_its_key(changed):
    assert release_key(msgspec.structs.replace(ONE, **changed)) != release_key(ONE)


def test_the_order_in_which_attributes_came_is_no_part_of_the_key():
    some = [{"a": "1", "b": "2"}, {"b": "2", "a": "1"}]
    keys = {release_key(msgspec.structs.replace(ONE, attributes=each)) for each in some}
    assert len(keys) == 1


@given(st.binary(min_size=16, max_size=16))
def test_a_line_of_the_ledger_is_read_as_it_was_written(key):
    assert parse_ledger_line(ledger_line(key)) == key


@pytest.mark.parametrize("line", [b"", b"{}", b'{"released":"ab"}', b'{"released":5}', b"\xff"])
def test_another_line_is_none_of_a_ledger(line):
    with pytest.raises(ValueError, match="no line of a ledger of releases"):
        parse_ledger_line(line)


def test_the_folder_of_any_sink_is_a_name_that_file_systems_take():
    for sink in ("gs://b/a b", "/x/" + "y" * 500, "é" * 100):
        folder = ledger_folder(sink)
        assert folder.count("/") == 1
        assert len(folder.rpartition("/")[2]) <= 210
    assert ledger_folder("a" * 300) != ledger_folder("a" * 301)
