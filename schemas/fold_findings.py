"""What a comparison of served tiles with curated events found, and its form as a check."""

from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.quality import Finding
from schemas.times import format_rfc3339

__all__ = ["ComparedFolds", "WrongTile", "fold_finding"]


class WrongTile(NamedTuple):
    """A tile whose value is not that of the curated events; `start` is in microseconds."""

    entity: str
    entity_id: str
    feature: str
    start: int
    problem: str


@dataclass
class ComparedFolds:
    """How many entities and tiles were compared.

    `late`: tiles that differ, as events of them came too late for them. `wrong` are those that
    differ beside; the first of them are in `shown`.
    """

    entities: int = 0
    tiles: int = 0
    late: int = 0
    wrong: int = 0
    shown: list[WrongTile] = field(default_factory=list)


def fold_finding(found: ComparedFolds, table: str) -> Finding:
    """Return the outcome, with entity, feature and start of the first tiles that differ."""
    said = f"{found.tiles} tiles of {found.entities} entities"
    if found.late:
        said += f"; {found.late} lack late events"
    if found.wrong:
        told = (
            f"{each.entity} {each.entity_id} {each.feature} {format_rfc3339(each.start)}"
            f" ({each.problem})"
            for each in found.shown
        )
        said += f"; differing: {', '.join(told)}"
    wrong = float(found.wrong)
    name = f"bigtable/{table}"
    return Finding("served_folds", name, "audit", "error", wrong, "at most 0", not wrong, said)
