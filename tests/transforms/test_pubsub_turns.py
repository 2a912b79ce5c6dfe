"""The rule of acknowledgement, against an engine that behaves as badly as Flink may."""

from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from transforms.pubsub_turns import FIRST, Batch, Turn, Turns

READERS = ("0", "1")


def a_batch(*ack_ids: str) -> Batch:
    return Batch(list(ack_ids), oldest=0, size=0)


@dataclass
class Snapshot:
    """What a checkpoint holds: each reader's next token, and what the messages caused."""

    tokens: dict[str, str] = field(default_factory=lambda: dict.fromkeys(READERS, FIRST))
    effects: set[str] = field(default_factory=set)

    def copy(self) -> "Snapshot":
        return Snapshot(dict(self.tokens), set(self.effects))


class Engine:
    """Flink's portable operator, reduced: on completion it finalizes *all* outstanding bundles,
    also those behind the checkpoint's barrier; a crash goes back to the last complete checkpoint,
    and the worker process may survive it."""

    def __init__(self, generations: int) -> None:
        self.generations = generations
        self.now, self.barrier, self.complete = Snapshot(), None, Snapshot()
        self.outstanding: list[tuple[str, Turn]] = []
        self.turns = {reader: Turns(generations) for reader in READERS}
        self.undelivered: list[str] = []
        self.delivered: set[str] = set()
        self.acknowledged: set[str] = set()
        self.drawn = self.published = 0

    def publish(self, count: int) -> None:
        self.undelivered += [f"message {self.published + n}" for n in range(count)]
        self.published += count

    def bundle(self, reader: str, most: int) -> None:
        self.drawn += 1
        turn, void = self.turns[reader].begin(self.now.tokens[reader], f"turn {self.drawn}")
        self.redeliver(ack_id for batch in void for ack_id in batch.ack_ids)
        taken, self.undelivered = self.undelivered[:most], self.undelivered[most:]
        self.delivered |= set(taken)
        turn.batches.append(a_batch(*taken))
        self.now.effects |= set(taken)
        self.now.tokens[reader] = turn.following
        self.outstanding.append((reader, turn))

    def pass_barrier(self) -> None:
        # One checkpoint at a time: the next begins when this one is complete or has failed.
        if self.barrier is None:
            self.barrier = self.now.copy()

    def complete_checkpoint(self) -> None:
        if self.barrier is None:
            return
        self.complete, self.barrier = self.barrier, None
        for reader, turn in self.outstanding:
            for batch in self.turns[reader].finalized(turn):
                self.acknowledged |= set(batch.ack_ids)
                self.delivered -= set(batch.ack_ids)
        self.outstanding = []
        self.check()

    def crash(self, process_survives: bool) -> None:
        self.now, self.barrier = self.complete.copy(), None
        self.outstanding = []
        if not process_survives:
            self.turns = {reader: Turns(self.generations) for reader in READERS}
            self.redeliver(list(self.delivered))

    def redeliver(self, ack_ids) -> None:
        for ack_id in ack_ids:
            if ack_id in self.delivered:
                self.delivered.discard(ack_id)
                self.undelivered.append(ack_id)

    def check(self) -> None:
        assert self.acknowledged <= self.complete.effects, "acknowledged, but in no checkpoint"

    def finish(self) -> None:
        """Run on without trouble until nothing can be left."""
        for _ in range(2 * self.generations + 3):
            for reader in READERS:
                self.bundle(reader, most=self.published)
            self.pass_barrier()
            self.complete_checkpoint()
        everything = {f"message {n}" for n in range(self.published)}
        assert self.complete.effects == everything
        assert self.acknowledged == everything


STEPS = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 5)),
    st.tuples(st.just("bundle"), st.sampled_from(READERS), st.integers(0, 4)),
    st.tuples(st.just("bundle"), st.sampled_from(READERS), st.integers(0, 4)),
    st.tuples(st.just("pass_barrier")),
    st.tuples(st.just("complete_checkpoint")),
    st.tuples(st.just("crash"), st.booleans()),
)


def run(steps: list[tuple], generations: int) -> None:
    engine = Engine(generations)
    for name, *arguments in steps:
        getattr(engine, name)(*arguments)
    engine.finish()


@settings(max_examples=120)
@given(st.lists(STEPS, max_size=40))
def test_one_generation_late_nothing_is_lost_and_everything_is_acknowledged(steps):
    run(steps, generations=1)


def test_acknowledging_in_the_own_finalizer_loses_messages_on_the_same_engine():
    behind_the_barrier = [("publish", 1), ("pass_barrier",), ("bundle", "0", 1)]
    with pytest.raises(AssertionError, match="acknowledged, but in no checkpoint"):
        run([*behind_the_barrier, ("complete_checkpoint",), ("crash", False)], generations=0)
    run([*behind_the_barrier, ("complete_checkpoint",), ("crash", False)], generations=1)


def test_a_process_that_survives_a_restore_would_lose_messages_without_the_token():
    steps = [("publish", 1), ("pass_barrier",), ("bundle", "0", 1), ("complete_checkpoint",)]
    steps += [("crash", True), ("bundle", "1", 0), ("bundle", "0", 0)]
    steps += [("pass_barrier",), ("complete_checkpoint",), ("crash", False)]
    run(steps, generations=1)
    forgetful = Engine(generations=1)
    for turns in forgetful.turns.values():
        begin = turns.begin
        turns.begin = lambda token, following, turns=turns, begin=begin: (
            setattr(turns, "_expected", token) or begin(token, following)
        )
    with pytest.raises(AssertionError, match="acknowledged, but in no checkpoint"):
        for name, *arguments in steps:
            getattr(forgetful, name)(*arguments)


def test_a_message_waits_for_a_turn_that_began_after_its_own_was_finalized():
    turns, batch = Turns(), a_batch("a")
    first, _ = turns.begin(FIRST, "2")
    first.batches.append(batch)
    second, _ = turns.begin("2", "3")
    assert turns.finalized(first) == []
    assert turns.finalized(second) == []
    third, _ = turns.begin("3", "4")
    assert turns.finalized(third) == [batch]


def test_each_batch_is_acknowledged_once():
    turns = Turns()
    token, seen = FIRST, []
    for number in range(5):
        turn, _ = turns.begin(token, str(number))
        turn.batches.append(a_batch(str(number)))
        token = str(number)
        seen += [batch.ack_ids[0] for batch in turns.finalized(turn)]
        assert turns.finalized(turn) == []
    assert seen == ["0", "1", "2", "3"]


def test_an_unexpected_token_makes_everything_unacknowledged_void():
    turns = Turns()
    first, _ = turns.begin(FIRST, "2")
    first.batches.append(a_batch("a"))
    turns.finalized(first)
    second, _ = turns.begin("2", "3")
    second.batches.append(a_batch("b"))
    _, void = turns.begin("2", "another 3")
    assert sorted(batch.ack_ids[0] for batch in void) == ["a", "b"]
    assert turns.finalized(second) == []
    assert not turns.holds(second)
