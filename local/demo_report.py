"""What the demo prints at its end, and whether the counters add up."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from local.demo_user import SPANS, UserRow

__all__ = ["Archived", "Findings", "Killed", "report_lines", "unbalanced"]

_PARTS = ("accepted", "duplicate", "conflict", "late")
_SINK = ("mutations", "written", "refused", "tiles_withheld")
_WIDTH = 100


class Killed(NamedTuple):
    """How far the first job had come: messages published, acknowledged, and rows in the table."""

    published: int
    acknowledged: int
    rows: int


class Archived(NamedTuple):
    """What the raw archive holds at the end; a message that it has twice counts once."""

    messages: int
    objects: int


@dataclass(frozen=True)
class Findings:
    """What is known after a demo.

    `counters` are those of the job that ended by itself: none where it had to be stopped. `lost`
    are acknowledgements. `killed` and `archived` are None where no job was killed.
    """

    truth: dict[str, Any]
    counters: dict[str, Any]
    lost: int
    killed: Killed | None = None
    archived: Archived | None = None


def report_lines(found: Findings, user: UserRow) -> Iterator[str]:
    """Yield what was read, written and refused, and one user's features as a reader sees them."""
    yield ""
    yield from _story(found)
    if found.counters:
        yield ""
        yield from _counters(found)
    yield ""
    yield from _one_user(user)
    yield ""


def _story(found: Findings) -> Iterator[str]:
    if found.killed:
        yield _line(
            "the kill",
            f"came after {found.killed.published:,} messages and {found.killed.rows:,} rows;"
            f" {found.killed.acknowledged:,} messages",
        )
        yield _line("", "were acknowledged by then: no subscription delivers them again")
    if found.archived:
        yield _line(
            "the archive",
            f"holds {found.archived.messages:,} messages in {found.archived.objects} objects",
        )
    yield _line("deliveries", f"{found.lost} acknowledgements were lost: those messages came again")


def _counters(found: Findings) -> Iterator[str]:
    counters = found.counters
    if found.killed:
        yield "the second job (a job that is killed leaves no counters)"
    archived = counters.get("warm_read", 0)
    origin = f"{archived:,} from the archive, {counters['read'] - archived:,} live"
    yield _count("read", counters["read"], origin if archived else "")
    for name in _PARTS:
        yield _count(name, counters.get(name, 0))
    rejected = counters.get("rejected", {})
    yield _count("rejected", sum(rejected.values()))
    yield from _reasons(rejected)
    for name in _SINK:
        yield _count(name, counters.get(name, 0))
    if not any(_unconserved(counters).values()):
        yield "conserved: read = accepted + duplicate + conflict + late + rejected"
        yield "           mutations = written + refused"


def _reasons(rejected: dict[str, int]) -> Iterator[str]:
    # A space that does not break keeps a reason and its count in one line.
    told = ", ".join(f"{reason}\u00a0{count}" for reason, count in sorted(rejected.items()))
    margin = " " * 27
    for line in textwrap.wrap(told, _WIDTH, initial_indent=margin, subsequent_indent=margin):
        yield line.replace("\u00a0", " ")


def _line(name: str, text: str) -> str:
    return f"{name:<13}{text}"


def _count(name: str, count: int, note: str = "") -> str:
    return f"{name:>16} {count:>8,}  {note}".rstrip()


def _one_user(user: UserRow) -> Iterator[str]:
    yield f"row {user.key}, as a reader sees it" + "".join(f"{span:>9}" for span in SPANS)
    for name, value in user.features.items():
        if isinstance(value, dict):
            yield f"{name:>24} " + "".join(f"{_shown(value[span]):>9}" for span in SPANS)
        else:
            yield f"{name:>24} {_shown(value)}"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def unbalanced(found: Findings) -> list[str]:
    """Return what does not add up; messages that came again raise some counters above the truth.

    A job with a warm start reads all that was published before it from the archive, so what it has
    accepted is the whole truth, as for a job that was never interrupted.
    """
    problems = []
    if found.archived and found.archived.messages < found.truth["counts"]["read"]:
        problems.append("the archive holds fewer messages than were published")
    if not found.counters:
        return problems
    counters, wanted = found.counters, found.truth["counts"]
    of_counters = {
        **_unconserved(counters),
        "accepted differs from the truth": counters["accepted"] != wanted["accepted"],
        "late differs from the truth": counters["late"] != wanted["late"],
        "fewer rejected than broken": any(
            counters["rejected"].get(reason, 0) < count
            for reason, count in wanted["rejected"].items()
        ),
        "tiles were withheld": counters.get("tiles_withheld", 0) != 0,
    }
    return problems + [problem for problem, wrong in of_counters.items() if wrong]


def _unconserved(counters: dict[str, Any]) -> dict[str, bool]:
    total = sum(counters[name] for name in _PARTS) + sum(counters["rejected"].values())
    handed_on = counters["written"] + counters["refused"]
    return {
        "read is not the sum of its parts": counters["read"] != total,
        "mutations are not written + refused": counters["mutations"] != handed_on,
    }
