"""An object of the archive is read whole, proven, and cut into packs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import Fault
from schemas.events import RawEvent
from schemas.packs import RawPack
from tests.archive_builders import put
from transforms.archive_objects import BadArchiveError, cut, published_in, read_packs

texts = st.text(st.characters(codec="utf-8"), max_size=3)
messages = st.builds(
    RawEvent,
    payload=st.binary(max_size=40),
    attributes=st.dictionaries(texts, texts, max_size=2),
    message_id=texts,
    publish_time=st.integers(-50, 50),
    ordering_key=texts,
)
bare = st.builds(RawEvent, payload=st.binary(max_size=40), publish_time=st.integers(-50, 50))


def rows(pack):
    return [pack.row(number) for number in range(len(pack))]


@given(st.lists(messages) | st.lists(bare), st.integers(1, 5), st.integers(1, 90))
def test_cutting_keeps_every_message_in_order_and_bounds_the_packs(some, max_rows, max_bytes):
    parts = list(cut(RawPack.of(some), max_rows, max_bytes))
    assert [row for _, part in parts for row in rows(part)] == some
    for least, part in parts:
        assert least == min(row.publish_time for row in rows(part))
        assert len(part) <= max_rows
        assert len(part) == 1 or sum(map(len, part.payloads)) <= max_bytes


@given(st.lists(messages), st.integers(-60, 60), st.integers(-60, 60))
def test_only_what_was_published_in_the_range_is_kept(some, first, last):
    kept = published_in(RawPack.of(some), first, last)
    assert rows(kept) == [one for one in some if first <= (one.publish_time or 0) < last]


def test_an_object_comes_back_in_its_order(tmp_path):
    some = [RawEvent(b"x" * 1_000, {}, f"m{n:04}", n) for n in range(1_000)]
    found = put(tmp_path, some)
    packs = list(read_packs(found.path, found.entry))
    assert [row for _, part in packs for row in rows(part)] == some
    assert max(len(part) for _, part in packs) < 500 < len(packs) * 500
    (part,) = read_packs(found.path, found.entry, 5, 7)
    assert (part[0], part[1].message_ids) == (5, ["m0005", "m0006"])


def test_a_missing_object_is_named_with_its_fault(tmp_path):
    found = put(tmp_path, [RawEvent(b"{}", {}, "m", 5)])
    (tmp_path / found.path).unlink()
    with pytest.raises(BadArchiveError) as raised:
        read_packs(found.path, found.entry)
    assert raised.value.fault == Fault.MISSING
    words = "no such object, but the manifest names it"
    assert str(raised.value) == f"{found.path}: {words}; restore it"
    assert (raised.value.path, raised.value.detail) == (found.path, words)
