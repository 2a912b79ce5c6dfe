"""What one seed found: the faults injected, and the promises that did not hold."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["Verdict", "Violation"]


@dataclass(frozen=True)
class Violation:
    """One promise that did not hold.

    Args:
        promise: Its short name, the same in every seed, such as `conservation` or
            `replay_equals_live`; the reduction of a failure keeps it.
        told: What was expected and what was found, in counts and ids, no values of events.
    """

    promise: str
    told: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of one seed.

    Args:
        seed: What the events and the faults were drawn from.
        kind: `simulation` in one process, `loop` over the services and jobs.
        faults: The value of a `chaos.kinds.Kind` to how many faults of it were injected.
        violations: The promises that did not hold; none is a pass.
        figures: Other counts worth summing or showing, by name, such as `events`.
    """

    seed: int
    kind: Literal["simulation", "loop"]
    faults: Mapping[str, int]
    violations: tuple[Violation, ...]
    figures: Mapping[str, float] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return asdict(self)
