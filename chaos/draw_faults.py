"""Draws what goes wrong in the jobs of a case, and when."""

from chaos.case import Fault
from chaos.kinds import Kind
from local.chance import Chance

__all__ = ["draw_faults"]

_LIVE = ("archive", "hot", "windows")
_BATCH = ("replay", "replay_windows", "repair", "recompute")
_AMOUNTS = {
    Kind.KILL_BETWEEN_WRITE_AND_COMMIT: (1, 1),
    Kind.BUNDLE_REPLAY: (1, 1),
    Kind.REDELIVERY: (10, 100),
    Kind.BURST_429: (1, 12),
    Kind.SLOW_CONNECTION: (1, 3),
    Kind.HALF_OPEN_CONNECTION: (1, 3),
    Kind.CLOCK_SKEW: (-300, 300),
    Kind.FULL_DISK: (1, 6),
    Kind.CONNECTIONS_CUT: (1, 15),
}
"""The least and the most of each: messages in percent, seconds of a clock, else requests; what is
cut is cut for ten times as many seconds."""
_KINDS = tuple(_AMOUNTS)
_MOST_BUNDLES = 70
_MOST_BATCH_BUNDLES = 12


def draw_faults(chance: Chance) -> tuple[Fault, ...]:
    """Return the faults of a case: of a few kinds, in any job, at any bundle."""
    kinds = [kind for kind in _KINDS if chance.random() < 0.4]
    faults = [_fault(chance, kind, job) for job in _LIVE for kind in kinds for _ in range(2)]
    faults += [_fault(chance, kind, job) for job in _BATCH for kind in kinds]
    return tuple(fault for fault in faults if chance.random() < 0.6)


def _fault(chance: Chance, kind: Kind, job: str) -> Fault:
    most = _MOST_BUNDLES if job in _LIVE else _MOST_BATCH_BUNDLES
    # More of them early: short streams have few bundles.
    at = int(most * chance.random() * chance.random())
    return Fault(job, kind, at, chance.between(*_AMOUNTS[kind]))
