"""Heads that come again are found in whatever packs they are."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from transforms.repeated_heads import RepeatedHeads

HEADS = st.sampled_from([b"\0\0\0\0", b"\0\0\0\1", b"\1\0\0\0", b"\xff\xff\xff\xff", b"abcd"])


@given(st.lists(st.lists(HEADS, max_size=5), max_size=5))
def test_places_are_those_of_heads_that_occur_more_than_once(packs):
    times = Counter(head for pack in packs for head in pack)
    repeated = RepeatedHeads(map(b"".join, packs))
    for pack in packs:
        wanted = [place for place, head in enumerate(pack) if times[head] > 1]
        assert repeated.places(b"".join(pack)) == wanted


def test_without_packs_nothing_is_repeated():
    assert RepeatedHeads([]).places(b"abcd") == []
