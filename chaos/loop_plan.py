"""What a seed decides on the loop: the stream, the jobs beside the hot path, and the faults."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from chaos.kinds import Kind
from local.chance import Chance

__all__ = [
    "ARCHIVE",
    "CURATE",
    "HOT_PATH",
    "POISON",
    "STEPS",
    "STREAM",
    "WINDOWS",
    "Fault",
    "LoopPlan",
]

ARCHIVE, HOT_PATH = "archive_raw", "hot_path"
CURATE, WINDOWS = "curate_events", "window_metrics"
"""The jobs that read the stream: the first two in every seed, and one of the others."""

STEPS = 8
"""In so many steps a stream is published."""

POISON = (Kind.POISON_HALF, Kind.POISON_ALL)
"""The kinds of flood: every other message of a step is broken, or all are."""
STREAM = (*POISON, Kind.CLOCK_SKEW, Kind.HOT_KEY, Kind.BACKLOG_OF_DAYS)
"""The kinds that are in the events and their publishers."""

_THROUGHOUT = (
    Kind.CLOCK_SKEW,
    Kind.HOT_KEY,
    Kind.BACKLOG_OF_DAYS,
    Kind.BUNDLE_REPLAY,
    Kind.REDELIVERY,
)
_LEAST, _MOST = 2, 4
_EVENTS = (400, 1_200)
_BURST = (5, 25)


@dataclass(frozen=True)
class Fault:
    """One fault: what happens, to which job, and when.

    Args:
        kind: what it is.
        job: whose process, connections or files it befalls; "" where that is no one job.
        step: it begins after this step of the stream; a kill then waits for the job's next write,
            and a flood of poison is that step.
        size: how many calls a burst refuses.
    """

    kind: Kind
    job: str = ""
    step: int = 0
    size: int = 1


@dataclass(frozen=True)
class LoopPlan:
    """One seed.

    Args:
        seed: it.
        events: messages of the stream.
        beside: the job beside hot path and archive.
        remote: whether the archive is in Cloud Storage, else in a local folder.
        faults: in order of their step.
    """

    seed: int
    events: int
    beside: str
    remote: bool
    faults: tuple[Fault, ...]

    @classmethod
    def of(cls, seed: int) -> "LoopPlan":
        """Draw it. Kinds come in turn, so that some tens of seeds have each of them.

        >>> plan = LoopPlan.of(7)
        >>> 2 <= len(plan.faults) <= 4, plan == LoopPlan.of(7)
        (True, True)
        """
        chance = Chance(seed)
        kinds = list(Kind)
        drawn = {kinds[seed % len(kinds)]}
        wanted = chance.between(_LEAST, _MOST)
        while len(drawn) < wanted:
            drawn.add(chance.of(kinds))
        beside = WINDOWS if seed % 2 else CURATE
        remote = Kind.FULL_DISK not in drawn and chance.random() < 0.5
        faults = [_fault(kind, beside, remote, chance) for kind in kinds if kind in drawn]
        faults.sort(key=lambda fault: fault.step)
        return cls(seed, chance.between(*_EVENTS), beside, remote, tuple(faults))

    def has(self, kind: Kind) -> bool:
        """Say whether a fault of a kind is planned."""
        return any(fault.kind is kind for fault in self.faults)

    def without(self, fault: Fault) -> "LoopPlan":
        """Return the same seed with one fault less; all else stays as it is."""
        return replace(self, faults=tuple(each for each in self.faults if each != fault))

    @property
    def kinds(self) -> Mapping[str, int]:
        """How many faults of each kind are planned."""
        return Counter(fault.kind.value for fault in self.faults)


def _fault(kind: Kind, beside: str, remote: bool, chance: Chance) -> Fault:
    step = chance.between(1, STEPS - 3)
    jobs = (HOT_PATH, ARCHIVE, beside)
    if kind in _THROUGHOUT:
        return Fault(kind)
    if kind in POISON:
        return Fault(kind, step=step)
    if kind is Kind.BURST_429:
        return Fault(kind, step=step, size=chance.between(*_BURST))
    if kind is Kind.FULL_DISK:
        return Fault(kind, chance.of((ARCHIVE, beside)), step)
    if kind is Kind.KILL_BETWEEN_WRITE_AND_COMMIT:
        # Twice as often that of which an exact moment is known.
        return Fault(kind, chance.of((HOT_PATH, *jobs)), step)
    return Fault(kind, chance.of(jobs), step)
