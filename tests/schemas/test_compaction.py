"""What is merged and what may be deleted, from names alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.compaction import Compaction, Dated, choose, deletable
from schemas.manifest import ManifestEntry, Replacement, view

HOW = Compaction(target_bytes=100)


def entry(digest: str, size: int = 10, codec: str = "zstd") -> ManifestEntry:
    return ManifestEntry(
        digest=digest, events=1, size=size, first_publish=0, last_publish=0, codec=codec
    )


def record(outputs: str, replaces: str) -> Replacement:
    return Replacement(tuple(outputs), tuple(replaces))


def chosen(entries, records=(), how=HOW) -> str:
    seen = view(entries, records)
    inputs = choose(seen.current, seen.replaced, records, how).inputs
    return "".join(each.digest for each in inputs)


@pytest.mark.parametrize(
    ("sizes", "inputs"),
    [
        ([], ""),
        ([1], ""),
        ([1, 1], "ab"),
        ([49, 49], "ab"),
        ([50, 49], ""),
        ([200, 49, 100, 3], "bd"),
        ([200, 49, 100], ""),
    ],
)
def test_small_objects_are_merged_if_there_are_two(sizes, inputs):
    entries = [entry("abcdef"[n], size) for n, size in enumerate(sizes)]
    assert chosen(entries) == inputs


def test_another_codec_is_a_reason_only_where_that_is_asked_for():
    entries = [entry("a", 10, "deflate"), entry("b", 99, "deflate"), entry("c", 99)]
    assert chosen(entries) == ""
    assert chosen(entries, how=Compaction(100, recompress=True)) == "ab"
    assert chosen(entries[1:], how=Compaction(100, recompress=True)) == "b"


def test_what_half_a_compaction_has_entered_is_no_input_while_its_inputs_count():
    half = record("xy", "ab")
    entries = [entry("a"), entry("b"), entry("c"), entry("x")]
    assert chosen(entries, [half]) == "abc"
    assert chosen([entry("b"), entry("c"), entry("x")], [half]) == "bcx"
    assert chosen([*entries, entry("y")], [half]) == "cxy"


@pytest.mark.parametrize(
    "given",
    [{"target_bytes": 0}, {"max_bytes": 0}, {"grace": -1}, {"codec": "snappy"}],
)
def test_settings_that_make_no_sense_are_refused(given):
    with pytest.raises(ValueError, match=str(next(iter(given.values())))):
        Compaction(**given)


def deleted(entries, dated, there=None, before=10) -> str:
    """Return what may be deleted; `there` are the objects in the folder."""
    seen = view(entries, [each.record for each in dated])
    names = "".join(each.digest for each in entries) if there is None else there
    sizes = dict.fromkeys(names, 10)
    return "".join(deletable(seen.current, seen.replaced, dated, sizes, before))


ABX = [entry("a"), entry("b"), entry("x")]


@pytest.mark.parametrize(("since", "gone"), [(9, "ab"), (10, ""), (None, "")])
def test_what_is_replaced_goes_once_its_record_is_old_enough(since, gone):
    assert deleted(ABX, [Dated(record("x", "ab"), since)]) == gone


def test_nothing_goes_while_what_stands_for_it_is_not_there_whole():
    dated = [Dated(record("x", "ab"), 0)]
    assert deleted(ABX, dated, there="ab") == ""
    short = [entry("a"), entry("b"), entry("x", size=11)]
    assert deleted(short, dated) == ""


def test_nothing_goes_that_only_half_a_compaction_replaces():
    assert deleted(ABX, [Dated(record("xy", "ab"), 0)]) == ""


def test_a_record_without_outputs_replaces_nothing():
    assert deleted(ABX, [Dated(record("x", "ab"), 11), Dated(record("", "ab"), 0)]) == ""


def test_objects_that_stand_for_each_other_stay():
    assert deleted([entry("a"), entry("b")], [Dated(record(*p), 0) for p in ("ab", "ba")]) == ""


def test_what_was_replaced_first_goes_first():
    entries = [entry(digest) for digest in "axy"]
    dated = [Dated(record("x", "a"), 0), Dated(record("y", "x"), 0)]
    assert deleted(entries, dated) == "ax"
    # The record of the older one is too young, so its output has to stay for it.
    dated = [Dated(record("x", "a"), 11), Dated(record("y", "x"), 0)]
    assert deleted(entries, dated) == ""


DIGITS = st.text("abcdef", max_size=6).map(lambda text: "".join(sorted(set(text))))
DATED = st.builds(Dated, st.builds(record, DIGITS, DIGITS), st.none() | st.integers(0, 20))


@given(DIGITS, st.lists(DATED, max_size=5), DIGITS)
def test_deleting_in_turn_never_changes_what_counts(digits, dated, there):
    entries = [entry(digit) for digit in digits]
    records = [each.record for each in dated]
    before = view(entries, records).current
    for digit in deleted(entries, dated, there):
        entries = [each for each in entries if each.digest != digit]
        assert view(entries, records).current == before
