"""What overlapping objects brought twice is refused once."""

import apache_beam as beam
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.rejected import Rejected
from tests.engine import run_batch
from transforms.keep_once import KeepOnce, _TakeOne, message_key

ONE = Rejected("Decode", "not_json", "", b"{", {"a": "1"}, "m1", "", None, 5)


def changed(**changes):
    return msgspec.structs.replace(ONE, **changes)


def kept(records):
    return run_batch(
        lambda p: {"out": p | beam.Create(records).with_output_types(Rejected) | KeepOnce()}
    )


def test_copies_of_a_message_are_kept_once_and_counted():
    done = kept([ONE, changed(message_id="m2"), ONE, changed(publish_time=9)])
    assert sorted(one.message_id for one in done["out"]) == ["m1", "m2"]
    assert done.counters == {"rejected_again": 2}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6), st.randoms()
)
def test_the_same_copy_stays_whatever_their_order_and_number(told, dice):
    records = [changed(publish_time=time, rejected_at=at) for time, at in told]
    turned = records + dice.choices(records, k=2)
    dice.shuffle(turned)
    take = _TakeOne().process
    assert list(take((b"", turned))) == list(take((b"", iter(records))))


def test_steps_and_payloads_are_told_apart():
    records = [ONE, changed(step="Deduplicate"), changed(payload=b"[")]
    assert len(kept(records)["out"]) == 3


def test_messages_without_an_id_are_copies_where_they_are_equal():
    records = [changed(message_id=""), changed(message_id=""), changed(message_id="", payload=b"x")]
    assert len(kept(records)["out"]) == 2


def test_nothing_refused_is_nothing_kept():
    assert kept([])["out"] == []


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3)))
def test_the_key_depends_neither_on_provenance_nor_on_the_order_of_attributes(attributes):
    turned = dict([*attributes.items()][::-1])
    one = changed(message_id="", attributes=attributes)
    other = changed(message_id="", attributes=turned, run="r", replayed_from="a", rejected_at=7)
    assert message_key(one) == message_key(other)
