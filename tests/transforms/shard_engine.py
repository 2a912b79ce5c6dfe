"""A small engine for one stateful DoFn: bundles that commit or crash, timers, a watermark.

It keeps what a runner keeps (state and timers by key, changed only by a bundle that commits) and
lets a test choose what runners choose: bundle borders, retries, and which DoFn instance works.
"""

import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import Timestamp

from schemas.events import MIN_MICROS
from schemas.packs import EventPack
from transforms.find_copies import FindCopies
from transforms.seen_ids import Retention

TICK = 100_000
HORIZON = 32 * TICK
RETENTION = Retention.of(HORIZON, max_future=10 * HORIZON)
START = 1_000_000_000


class Crash(Exception):
    """Thrown into a bundle by the engine."""


@dataclass
class Cell:
    """Bag or single value of one key, as a bundle sees it."""

    values: list[bytes]
    adds_left: list[int]

    def read(self) -> Any:
        return list(self.values)

    def add(self, value: bytes) -> None:
        self.adds_left[0] -= 1
        if self.adds_left[0] < 0:
            raise Crash
        self.values.append(value)

    def clear(self) -> None:
        self.values.clear()


class Single(Cell):
    def read(self) -> Any:
        return self.values[0] if self.values else None

    def write(self, value: bytes) -> None:
        self.values.clear()
        self.add(value)


@dataclass
class Timer:
    due: int | None = None

    def set(self, timestamp: Timestamp) -> None:
        # Engines carry timers in milliseconds.
        self.due = timestamp.micros // 1_000 * 1_000


@dataclass
class Shard:
    header: list[bytes] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    due: int | None = None


@dataclass
class Engine:
    """`spread` picks the instance for a bundle out of `workers`; a crash keeps them all alive."""

    dofn: FindCopies
    workers: int = 1
    watermark: int = MIN_MICROS
    shards: dict[int, Shard] = field(default_factory=dict)
    timers_fired: int = 0

    def __post_init__(self) -> None:
        self._spare = pickle.dumps(self.dofn)
        self.instances = [self._new() for _ in range(self.workers)]

    def _new(self) -> FindCopies:
        dofn = pickle.loads(self._spare)
        dofn.setup()
        return dofn

    def replace(self, worker: int) -> None:
        """Throw an instance away, with all that its process held."""
        self.dofn._shared = type(self.dofn._shared)()
        self._spare = pickle.dumps(self.dofn)
        self.instances[worker] = self._new()

    def bundle(
        self,
        elements: Sequence[tuple[int, EventPack, int]],
        worker: int = 0,
        crash_after: int = 10**9,
        lose_commit: bool = False,
    ) -> list[tuple[str, EventPack]]:
        """Run elements (shard, pack, timestamp) as one bundle; `Crash` where it is to fail."""

        def work(dofn: FindCopies, budget: list[int], staged: dict[int, Shard]) -> list[Any]:
            outputs: list[Any] = []
            for key, pack, timestamp in elements:
                header, log, timer = self._open(staged, key, budget)
                outputs += dofn.process(
                    (key, pack), Timestamp(micros=timestamp), header, log, timer
                )
                staged[key].due = timer.due
            return outputs

        outputs = self._run(work, worker, crash_after, lose_commit)
        return [_named(output) for output in outputs]

    def fire(self, worker: int = 0, limit: int = 10**9, crash_after: int = 10**9) -> int:
        """Fire the due timers, one bundle each, until none is due or `limit` is reached."""
        fired = 0
        while fired < limit and (due := self._due()) is not None:
            key, moment = due

            def work(
                dofn: FindCopies,
                budget: list[int],
                staged: dict[int, Shard],
                key: int = key,
                moment: int = moment,
            ) -> list[Any]:
                header, log, timer = self._open(staged, key, budget)
                timer.due = None
                dofn.tick(key, Timestamp(micros=moment), header, log, timer)
                staged[key].due = timer.due
                return []

            self._run(work, worker, crash_after, False)
            fired += 1
        self.timers_fired += fired
        return fired

    def advance(self, watermark: int) -> None:
        self.watermark = max(self.watermark, watermark)

    def state_bytes(self) -> int:
        """All that is saved, with the length that the coder puts before each value."""
        values = [v for shard in self.shards.values() for v in shard.header + shard.log]
        return sum(len(value) + (1 if len(value) < 128 else 3) for value in values)

    def _due(self) -> tuple[int, int] | None:
        due = [
            (key, shard.due)
            for key, shard in self.shards.items()
            if shard.due is not None and shard.due <= self.watermark
        ]
        return min(due, key=lambda entry: entry[1], default=None)

    def _open(
        self, staged: dict[int, Shard], key: int, budget: list[int]
    ) -> tuple[Any, Any, Timer]:
        if key not in staged:
            now = self.shards.get(key, Shard())
            staged[key] = Shard(list(now.header), list(now.log), now.due)
        shard = staged[key]
        return Single(shard.header, budget), Cell(shard.log, budget), Timer(shard.due)

    def _run(
        self,
        work: Callable[[FindCopies, list[int], dict[int, Shard]], list[Any]],
        worker: int,
        crash_after: int,
        lose_commit: bool,
    ) -> list[Any]:
        dofn, staged = self.instances[worker], {}
        dofn.start_bundle()
        outputs = work(dofn, [crash_after], staged)
        if lose_commit:
            raise Crash
        self.shards.update(staged)
        return outputs


def _named(output: Any) -> tuple[str, EventPack]:
    return (output.tag, output.value) if isinstance(output, TaggedOutput) else ("unique", output)


def engine_at(watermark, workers=1):
    engine = Engine(FindCopies(RETENTION), workers)
    engine.advance(watermark)
    return engine


def kinds(outputs):
    return Counter({kind: len(pack) for kind, pack in outputs})
