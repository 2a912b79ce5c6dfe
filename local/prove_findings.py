"""What a proof has found: what differs, and what may differ, listed."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from local.check_rows import differences
from local.prove_checks import (
    Place,
    Snapshot,
    disputed,
    late_tiles,
    quarantine_problems,
    unbalanced,
    unlike,
)
from local.prove_stream import ProofStream
from schemas.times import format_rfc3339

__all__ = ["Findings"]

_SHOWN = 6


@dataclass
class Findings:
    """Compares with the truth of a stream; `problems` has a line for all that is not right.

    Args:
        stream: what was published.
        say: takes one line.
    """

    stream: ProofStream
    say: Callable[[str], None]
    problems: list[str] = field(default_factory=list)

    @cached_property
    def true(self) -> dict[str, Any]:
        """What a live job has to make of the stream."""
        return self.stream.truth.document()

    @cached_property
    def full(self) -> dict[str, Any]:
        """What a replay has to make of it."""
        return self.stream.full_truth.document()

    @cached_property
    def late(self) -> set[Place]:
        """The tiles of late events, which live leaves to a repair."""
        return late_tiles(self.true, self.full)

    @cached_property
    def disputed(self) -> set[str]:
        """The rows that ids in conflict touch."""
        return disputed(self.full)

    def wrong(self, problem: str) -> None:
        """Note a problem, and say it if it is one of the first."""
        self.problems.append(problem)
        if len(self.problems) <= _SHOWN:
            self.say(f"WRONG {problem}")

    def rows(
        self, name: str, truth: dict[str, Any], found: Snapshot, without: Set[str] = frozenset()
    ) -> None:
        """Compare a table with the truth, but for some rows."""
        rows = {key: row for key, row in truth["rows"].items() if key not in without}
        cells = (cell for cell in found.cells if cell[0] not in without)
        for problem in differences({**truth, "rows": rows}, cells):
            self.wrong(f"{name} is not as the truth: {problem}")

    def same(self, name: str, found: Snapshot, replayed: Snapshot, late: Set[Place]) -> None:
        """Compare a table with that of the replay: the tiles of late events differ, and no other.

        Whether one of them differs is no matter of chance either, so all of them must.
        """
        differing = unlike(found, replayed, self.disputed)
        for place in sorted(differing - late):
            self.wrong(f"{name} and replay differ: {_text(place)}")
        for place in sorted(late - differing):
            self.wrong(f"{name}: counted late events: {_text(place)}")

    def count(self, name: str, found: int, wanted: int) -> None:
        """Compare a number with the truth."""
        if found != wanted:
            self.wrong(f"{name}: {found}, and {wanted} are right")

    def counters(self, name: str, counted: Mapping[str, Any], accepted: int | None) -> None:
        """Check that a run's counters add up, and the accepted events where they are known."""
        for problem in unbalanced(name, counted):
            self.wrong(problem)
        if accepted is not None:
            self.count(f"{name}, accepted", counted["accepted"], accepted)

    def quarantine(self, name: str, folders: Iterable[str]) -> None:
        """Compare what was refused with the truth."""
        for problem in quarantine_problems(name, folders, self.stream.messages):
            self.wrong(problem)

    def list_late(self, file: Path) -> None:
        """Write down which tiles have to wait for a repair."""
        file.write_text("".join(f"{_text(place)}\n" for place in sorted(self.late)))
        self.say(
            f"{len(self.late)} tiles have late events and are right in live after a repair only: "
            f"{file}"
        )

    def list_conflicts(self, found: Mapping[str, Snapshot], replayed: Snapshot) -> None:
        """Say which ids are in conflict, and which tables do not hold of them what replay holds."""
        rows: dict[str, set[str]] = {}
        for key in self.disputed:
            for event_id in self.full["rows"][key][0]["if"]:
                rows.setdefault(event_id, set()).add(key)
        other = {
            name: {place[0] for place in unlike(shot, replayed, frozenset())}
            for name, shot in found.items()
        }
        self.say(f"{len(rows)} ids in conflict, of which a run may keep either event:")
        for event_id, keys in sorted(rows.items()):
            names = [name for name in found if other[name] & keys]
            self.say(
                f"    {event_id}" + (f": unlike replay in {', '.join(names)}" if names else "")
            )


def _text(place: Place) -> str:
    key, family, qualifier, start = place
    return f"{key} {family}:{qualifier}" + (f" {format_rfc3339(start)}" if start else "")
