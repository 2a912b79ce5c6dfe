"""Messages travel compressed beside the heads of their ids, and lose neither."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.packs import RawPack
from schemas.sealed_packs import HEAD_BYTES, encoded, head_of, heads_in, opened, sealed

MESSAGES = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(), st.text()), max_size=8)


@given(MESSAGES)
def test_a_pack_and_its_heads_are_the_same_behind_a_shuffle(messages):
    heads, payloads, ids = ([*column] for column in zip(*messages, strict=True)) if messages else (
        [], [], [],
    )  # fmt: skip
    pack = RawPack(payloads, [None] * len(ids), ids)
    travels = sealed(heads, encoded(pack))
    assert opened(travels) == pack
    told = heads_in(travels)
    found = [told[at : at + HEAD_BYTES] for at in range(0, len(told), HEAD_BYTES)]
    assert [int.from_bytes(each, "little") for each in found] == heads


@given(st.text())
def test_a_head_is_a_number_of_32_bits_of_any_id(event_id):
    assert 0 <= head_of(event_id) < 2**32
