"""The part of the proof that is about rows: curated events and metrics, in all ways."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from local.prove_findings import Findings
from local.prove_jobs import CURATE, MEASURE, RECOMPUTE, ProofJobs
from local.prove_rows import (
    Rows,
    Told,
    late_ids,
    late_places,
    rival_places,
    row_problems,
    unlike_rows,
)
from schemas.contract import load_contracts
from schemas.metric import Metric
from schemas.metric_set import load_metrics

__all__ = ["RowWays"]

_KINDS = (CURATE, MEASURE)
_RUNS = {
    "live": ("live",),
    "replay": ("replay",),
    "interleaved": ("live", "replay"),
    "killed": ("killed", "restarted"),
    "lossy": ("lossy",),
}
_MENDED = ("live", "killed", "lossy")


@dataclass
class RowWays:
    """Runs the batch jobs over the archive, and compares what all jobs wrote.

    `compared` is the number of rows that were the same in the end.

    Args:
        jobs: the jobs of the proof.
        found: takes what differs.
        say: takes one line of progress.
    """

    jobs: ProofJobs
    found: Findings
    say: Callable[[str], None]
    compared: int = 0
    _reference: tuple[Told, Told] = field(default_factory=lambda: ({}, {}))

    def replay(self) -> None:
        """Curate and measure the whole span from the archive."""
        span = self.found.stream.span
        for kind in _KINDS:
            self.say(f"running the batch job replay-{kind}")
            self._check(f"replay-{kind}", self.jobs.batch_rows(kind, f"replay-{kind}", span))

    def compare_unrepaired(self) -> None:
        """Compare with the replay what needs no repair."""
        replayed = self._rows("replay")
        self._reference = (replayed.curated(copies=False), replayed.measured(self._metrics))
        self._compare_curated()
        for run in ("live", "restarted", "replay"):
            counted = self.jobs.counters(f"{run}-{CURATE}")["accepted"]
            self.found.count(f"{run}-{CURATE}, accepted", counted, self._accepted)
        self._compare_counts()
        for way in ("live", "interleaved", "killed", "lossy"):
            self._compare_windows(way)
        for kind in _KINDS:
            for way in ("live", "restarted", "lossy"):
                self._check(f"{way}-{kind}", self.jobs.counters(f"{way}-{kind}"))
            if not self.jobs.counters(f"restarted-{kind}").get("warm_read"):
                self.found.wrong(f"restarted-{kind}: nothing came from the archive")
            for way in ("live", "replay", "killed"):
                runs = [f"{run}-{kind}" for run in _RUNS[way]]
                self.found.quarantine(f"{way}-{kind}", map(self.jobs.quarantine, runs))

    def recompute(self, span: tuple[int, int], *more: str) -> None:
        """Compute the windows of a closed span anew, with more options."""
        self.say("computing the windows of the span anew")
        self._check(RECOMPUTE, self.jobs.batch_rows(RECOMPUTE, RECOMPUTE, span, *more))

    def compare_repaired(self) -> None:
        """Compare all ways with the replay, with what was computed anew."""
        for way in _MENDED:
            told = self._rows(way, RECOMPUTE).measured(self._metrics)
            for place in sorted(unlike_rows(told, self._reference[1], self._unsure), key=str):
                self.found.wrong(f"{way} in the end and replay differ in metrics: {_text(place)}")
        self.compared = sum(map(len, self._reference))

    def _compare_windows(self, way: str) -> None:
        """Before the repair a live job lacks what it calls late, and nothing else."""
        rows = self._rows(way)
        wrong = unlike_rows(rows.measured(self._metrics), self._reference[1], self._unsure)
        if way != "interleaved":
            wrong -= late_places(rows.late, self._metrics)
        if way == "lossy":
            if not wrong:
                self.found.wrong("lossy: its windows lack nothing, so nothing is mended")
            return
        for place in sorted(wrong, key=str):
            self.found.wrong(f"{way} and replay differ in metrics: {_text(place)}")
        late = {row["event_id"] for row in rows.late}
        if surplus := late - late_ids(self._messages):
            self.found.wrong(f"{way}: {len(surplus)} events were in time and are late for windows")
        if way != "interleaved":
            self.say(f"{way}: {len(late)} events came too late for windows")

    def _compare_curated(self) -> None:
        """What a lossy job lacks, rows of a replay beside its own bring in."""
        truth = {
            message.event["event_id"]
            for message in self._messages
            if message.label in ("event", "late")
        }
        rivals = {message.event["event_id"] for message in self._messages if message.rival}
        exact = self._rows("replay").curated(copies=True)
        for way in _RUNS:
            # Where the rows of the replay are too, the copy that was published first is chosen.
            with_replay = way not in ("live", "killed")
            rows = self._rows(way, "replay") if with_replay else self._rows(way)
            told = rows.curated(copies=with_replay)
            self.found.count(f"{way}: curated events", len({each for _, each in told}), len(truth))
            if {each for _, each in told} != truth:
                self.found.wrong(f"{way}: the curated events are not those of the stream")
            without = {place for place in told.keys() | exact.keys() if place[1] in rivals}
            wanted = exact if with_replay else self._reference[0]
            for place in sorted(unlike_rows(told, wanted, without)):
                self.found.wrong(f"{way} and replay differ in a row: {_text(place)}")
        if len(self._rows("lossy").curated(copies=False)) >= len(truth):
            self.found.wrong("lossy: no curated event is lacking, so nothing is mended")

    def _compare_counts(self) -> None:
        """An event counts once in each window of a metric that is about all."""
        counts: dict[str, int] = {}
        for (metric, window, *_), row in self._reference[1].items():
            if metric == "activity":
                counts[window] = counts.get(window, 0) + row["event_count"]
        for window, count in counts.items():
            self.found.count(f"replay, events in windows of {window}", count, self._accepted)

    def _check(self, name: str, counted: dict[str, Any]) -> None:
        for problem in row_problems(name, counted):
            self.found.wrong(problem)

    def _rows(self, *ways: str) -> Rows:
        runs = [run for way in ways for run in _RUNS.get(way, ())]
        folders = [self.jobs.rows(f"{run}-{kind}") for run in runs for kind in _KINDS]
        return Rows.read([*folders, *(self.jobs.rows(way) for way in ways if way not in _RUNS)])

    @cached_property
    def _metrics(self) -> list[Metric]:
        return load_metrics(str(self.jobs.metrics), load_contracts(None))

    @cached_property
    def _unsure(self) -> set[tuple[Any, ...]]:
        return rival_places(self._messages, self._metrics)

    @property
    def _accepted(self) -> int:
        """How many events there are, for jobs to which none is late."""
        return int(self.found.full["counts"]["accepted"])

    @property
    def _messages(self) -> Iterable[Any]:
        return self.found.stream.messages


def _text(place: tuple[Any, ...]) -> str:
    return " ".join(map(str, place))
