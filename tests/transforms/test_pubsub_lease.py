"""What a process holds: its bounds, its deadlines, its readers."""

import hypothesis.strategies as st
from hypothesis import given, settings

from transforms.pubsub_lease import EXTENSION, Lease
from transforms.pubsub_turns import FIRST, Batch, Turn


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def a_lease(max_messages: int = 100, max_bytes: int = 1 << 20) -> tuple[Lease, Clock]:
    clock = Clock()
    return Lease(max_messages, max_bytes, slack=2.0, clock=clock), clock


def a_batch(messages: int = 1, size: int = 1, oldest: int = 900_000_000) -> Batch:
    return Batch([f"ack {n}" for n in range(messages)], oldest, size)


def hold(lease: Lease, batch: Batch, token: str = FIRST, following: str = "2") -> Turn:
    turn, _ = lease.begin("0", token, following)
    assert lease.came("0", turn, batch, largest=batch.size)
    return turn


MOVES = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 50)),
    st.tuples(st.just("answer"), st.integers(0, 50), st.integers(1, 3_000)),
    st.tuples(st.just("commit")),
    st.tuples(st.just("acknowledge")),
)


@settings(max_examples=100)
@given(st.lists(MOVES, max_size=40))
def test_never_more_is_held_than_allowed_and_all_of_it_can_be_returned(moves):
    lease, _ = a_lease(max_messages=60, max_bytes=20_000)
    turn, token = lease.begin("0", FIRST, "0 done")[0], 0
    asked: list[int] = []
    largest = 1024
    for name, *arguments in moves:
        if name == "ask" and (granted := lease.room(arguments[0])):
            asked.append(granted)
        elif name == "answer" and asked:
            most = asked.pop()
            count, size = min(arguments[0], most), arguments[1]
            largest = max(largest, size)
            lease.answered(most)
            if count:
                lease.came("0", turn, a_batch(count, count * size), largest=size)
        elif name == "commit":
            lease.finalized("0", turn)
            turn, _ = lease.begin("0", f"{token} done", f"{token + 1} done")
            token += 1
        elif name == "acknowledge":
            lease.settled(lease.due())
        messages, size = lease.outstanding
        assert messages + sum(asked) <= 60
        assert size <= 20_000 + sum(asked) * largest + 60 * largest
    lease.end()
    lease.settled(lease.due())
    assert lease.outstanding == (0, 0)


def test_bytes_bound_what_is_asked_by_the_largest_message_seen():
    lease, _ = a_lease(max_messages=1_000, max_bytes=100_000)
    hold(lease, a_batch(1, size=10_000))
    assert lease.room(1_000) == 9
    assert lease.room(1_000) == 0


def test_one_message_is_asked_for_however_large_messages_are():
    lease, _ = a_lease(max_bytes=1)
    assert lease.room(1_000) == 1
    assert lease.room(1_000) == 0


def test_deadlines_are_extended_while_a_bundle_is_open_and_while_acks_wait():
    lease, clock = a_lease()
    batch = a_batch()
    turn = hold(lease, batch)
    assert lease.expiring() == []
    clock.now += 5
    assert lease.expiring() == [batch]
    assert lease.expiring() == []
    lease.finalized("0", turn)
    clock.now += EXTENSION - 4
    assert lease.expiring() == [batch]
    assert batch.deadline == clock.now + EXTENSION


def test_a_failed_extension_is_due_again():
    lease, clock = a_lease()
    batch = a_batch()
    hold(lease, batch)
    clock.now += 5
    lease.not_extended(lease.expiring())
    assert lease.expiring() == [batch]


def test_what_an_acknowledgement_failed_for_stays_held_and_due():
    lease, _ = a_lease()
    batch = a_batch()
    lease.finalized("0", hold(lease, batch))
    turn, _ = lease.begin("0", "2", "3")
    lease.finalized("0", turn)
    due = lease.due()
    assert due == [batch]
    lease.again(due)
    assert lease.outstanding == (1, 1)
    lease.settled(lease.due())
    assert lease.outstanding == (0, 0)


def test_a_restore_gives_back_what_was_not_acknowledged():
    lease, _ = a_lease()
    batch = a_batch()
    turn = hold(lease, batch)
    _, void = lease.begin("0", FIRST, "another 2")
    assert void == [batch]
    assert lease.outstanding == (0, 0)
    assert not lease.came("0", turn, a_batch(), largest=1)


def test_readers_that_the_engine_no_longer_calls_are_found_but_never_in_an_open_turn():
    lease, clock = a_lease()
    batch = a_batch()
    hold(lease, batch)
    clock.now += 1_000
    assert lease.abandoned(60) == []
    lease.rest("0")
    clock.now += 61
    assert lease.abandoned(60) == ["0"]
    assert lease.leave("0") == [batch]
    assert lease.abandoned(60) == []


def test_idle_counts_from_the_last_message_or_acknowledgement():
    lease, clock = a_lease()
    lease.asked_in_vain("0")
    clock.now += 3
    assert lease.idle(3)
    assert not lease.idle(4)
    batch = a_batch()
    hold(lease, batch)
    lease.asked_in_vain("0")
    clock.now += 3
    assert not lease.idle(0)
    lease.settled([batch])
    clock.now += 2
    assert lease.idle(2)
    assert not lease.idle(3)


def test_neither_a_reader_that_has_not_asked_nor_a_broken_connection_is_idle():
    lease, clock = a_lease()
    lease.asked_in_vain("0")
    lease.begin("1", FIRST, "2")
    assert not lease.idle(0)
    lease.asked_in_vain("1")
    assert lease.idle(0)
    lease.failed("1")
    clock.now += 100
    assert not lease.idle(0)


def test_the_watermark_waits_for_the_acknowledgement():
    lease, clock = a_lease()
    batch = a_batch(oldest=900_000_000)
    hold(lease, batch)
    clock.now += 50
    lease.asked_in_vain("0")
    assert lease.watermark() == 898_000_000
    lease.settled([batch])
    assert lease.watermark() == 1_048_000_000
