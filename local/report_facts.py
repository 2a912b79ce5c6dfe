"""The figures of a demo that its report shows: plain values, all of them from the run itself."""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from statistics import quantiles
from typing import Any, NamedTuple

from local.demo_checks import Check
from local.demo_outcome import Outcome
from local.demo_report import Archived, Killed
from local.demo_rows import Row
from local.demo_user import UserRow
from local.demo_windows import Second, Total
from schemas.reason_guide import REASON_GUIDE
from schemas.rejected import Reason

__all__ = ["AGE_EDGES", "Age", "Facts", "JobFacts", "Refusal", "ages_of", "facts_of", "jobs_of"]

AGE_EDGES = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
"""Where the bins of ages begin, in seconds; the last one has no end."""

_PARTS = ("accepted", "rejected", "duplicate", "conflict", "late")
_PERCENT = (50, 95, 99)


class JobFacts(NamedTuple):
    """What a job has read, what became of it by name, and what it handed to where it writes."""

    name: str
    read: int
    parts: dict[str, int]
    handed: int
    written: int
    refused: int

    @property
    def is_conserved(self) -> bool:
        """Whether nothing is missing on either side."""
        total, given = sum(self.parts.values()), self.written + self.refused
        return self.read == total and self.handed == given


class Refusal(NamedTuple):
    """How many messages were refused for a reason, and what that means."""

    reason: str
    messages: int
    meaning: str


class Age(NamedTuple):
    """How old last values were when they were written, in seconds: percentiles and bins.

    `bins` has a number for each of `AGE_EDGES`.
    """

    percentiles: dict[int, float]
    greatest: float
    bins: list[int]


@dataclass(frozen=True)
class Facts:
    """What a report shows. Jobs that did not run have no figures here."""

    events: int
    seed: int
    seconds: float
    versions: dict[str, str]
    rows_in: str
    checks: list[Check]
    lost: int
    killed: Killed | None
    archived: Archived | None
    jobs: list[JobFacts]
    seconds_told: list[Second]
    sums: list[Total]
    refusals: list[Refusal]
    happened: Age | None
    published: Age | None
    user: UserRow
    audited: list[Row]
    curated: dict[str, int]

    @property
    def failed(self) -> int:
        """How many checks do not hold."""
        return sum(bool(each.problems) for each in self.checks)


def facts_of(outcome: Outcome, seed: int, seconds: float) -> Facts:
    """Return the facts of a demo that took so long."""
    found, beside = outcome.found, outcome.beside
    counters = {"hot_path": found.counters} if found.counters else {}
    counters |= beside.counters if beside else {}
    # Those of the curated events: that job ran undisturbed, so each message counts once.
    refused = counters.get("curated", found.counters)
    happened, published = ages_of(outcome.cells, outcome.stream.sent)
    return Facts(
        outcome.stream.events,
        seed,
        seconds,
        _versions(),
        beside.rows_in if beside else "",
        outcome.checks,
        found.lost,
        found.killed,
        found.archived,
        jobs_of(counters),
        beside.seconds if beside else [],
        beside.sums if beside else [],
        _refusals(refused),
        happened,
        published,
        outcome.user,
        beside.audited if beside else [],
        {name: len(ids) for name, ids in beside.curated.items()} if beside else {},
    )


def jobs_of(counters: Mapping[str, Mapping[str, Any]]) -> list[JobFacts]:
    """Return what is known of each job that left its counters."""
    found = []
    for name, of_job in counters.items():
        parts = {part: of_job.get(part, 0) for part in _PARTS if part != "rejected"}
        parts["rejected"] = sum(of_job.get("rejected", {}).values())
        cells = "mutations" in of_job
        handed = of_job["mutations" if cells else "rows"]
        written = of_job["written" if cells else "rows_written"]
        refused = of_job["refused" if cells else "rows_refused"]
        ordered = {part: parts[part] for part in _PARTS}
        found.append(JobFacts(name, of_job["read"], ordered, handed, written, refused))
    return found


def ages_of(
    cells: Mapping[tuple[bytes, int], int], sent: Mapping[int, int]
) -> tuple[Age | None, Age | None]:
    """Return the ages of last values since they happened, and since they were published.

    Args:
        cells: when each was first written, by row and event time, in microseconds and milliseconds.
        sent: when events were published, by event time, in the same units.
    """
    happened = [written / 1e6 - ms / 1e3 for (_, ms), written in cells.items()]
    published = [(written - sent[ms]) / 1e6 for (_, ms), written in cells.items() if ms in sent]
    return _age(happened), _age(published)


def _age(seconds: list[float]) -> Age | None:
    if len(seconds) < 2:
        return None
    cuts = quantiles(seconds, n=100, method="inclusive")
    bins = [0] * len(AGE_EDGES)
    for each in seconds:
        bins[max(0, sum(edge <= each for edge in AGE_EDGES) - 1)] += 1
    return Age({percent: cuts[percent - 1] for percent in _PERCENT}, max(seconds), bins)


def _refusals(counters: Mapping[str, Any]) -> list[Refusal]:
    counts: Counter[str] = Counter(counters.get("rejected", {}))
    if conflicts := counters.get("conflict", 0):
        counts[Reason.ID_CONFLICT.value] += conflicts
    ordered: Iterable[tuple[str, int]] = sorted(
        counts.items(), key=lambda each: (-each[1], each[0])
    )
    return [Refusal(reason, count, _meaning(reason)) for reason, count in ordered]


def _meaning(reason: str) -> str:
    known = {each.value: note.meaning for each, note in REASON_GUIDE.items()}
    return known.get(reason, "").replace("`", "")


def _versions() -> dict[str, str]:
    named = {"Penstock": "penstock", "Apache Beam": "apache-beam"}
    told = {name: _version(package) for name, package in named.items()}
    return {**told, "Python": platform.python_version()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
