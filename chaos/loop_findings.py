"""Reads what a seed has left in archive, tables, rows and quarantines, and has it checked."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from chaos import loop_checks as checks
from chaos.loop_after import REPAIR, REPLAY, LoopAfter
from chaos.loop_live import LoopLive
from chaos.loop_oracle import LoopOracle, RawMessage
from chaos.loop_plan import CURATE, HOT_PATH, WINDOWS
from chaos.loop_stage import LENGTHS, METRICS, SOURCE, Stage
from chaos.loop_stream import HORIZON
from chaos.verdict import Violation
from local.prove_checks import Snapshot, snapshot
from local.prove_rows import Rows
from schemas.contract import load_contracts
from schemas.durations import parse_duration
from schemas.feature_set import load_features
from schemas.metric_set import load_metrics
from transforms.archive_manifest import list_hours
from transforms.object_store import read_objects
from transforms.quarantine import read_quarantine
from transforms.read_archived import read_archived

__all__ = ["LoopFindings"]

_MEASURES = {
    "activity": ("events", "users", "sessions", "event_count"),
    "lesson_funnel": (
        "started", "completed", "quizzes", "passed", "learners", "lesson_seconds", "event_count",
    ),
}  # fmt: skip
_DIMENSIONS = {"activity": ("event_type", "country"), "lesson_funnel": ("course_id",)}


@dataclass
class LoopFindings:
    """What is wrong after a seed.

    Args:
        stage: where it ran.
        live: what was published.
        after: what was run on the archive.
    """

    stage: Stage
    live: LoopLive
    after: LoopAfter

    def __post_init__(self) -> None:
        self._features = list(load_features(None, load_contracts(None)))

    def look(self) -> None:
        """Read the tables as they are now, before a repair."""
        self._live, self._replay = map(self._table, (self.stage.table, self.stage.replayed))

    def violations(self) -> Iterator[Violation]:
        """Yield all that does not hold."""
        published = {key: (m.payload, m.attributes) for key, m in self.live.published.items()}
        yield from checks.archive_violations(published, self._archived())
        yield from self._counted()
        yield from self._refused()
        yield from self._late()
        yield from self._cells()
        rows = self._curated if self.stage.plan.beside == CURATE else self._measured
        yield from rows()

    @cached_property
    def oracle(self) -> LoopOracle:
        """What has to be."""
        raws = (RawMessage(*each) for each in self.live.messages.values())
        windows = {name: parse_duration(name) for name in LENGTHS}
        late = {(event_id, "tile") for event_id in self._late_ids(HOT_PATH)}
        if self.stage.plan.beside == WINDOWS:
            rows = self._late_rows(WINDOWS)
            late |= {(row["event_id"], told) for row in rows for told in row["late_for"]}
        return LoopOracle(raws, self.stage.folder / "raw.ndjson", windows, late)

    @cached_property
    def _rivals(self) -> dict[str, str]:
        found = self.oracle.rows("SELECT message_id, event_id FROM valid WHERE rival")
        return {row["message_id"]: row["event_id"] for row in found}

    def _archived(self) -> dict[str, tuple[bytes, Mapping[str, str]]]:
        found: dict[str, tuple[bytes, Mapping[str, str]]] = {}
        for hour in list_hours(self.stage.archive, SOURCE):
            for entry in hour.entries:
                for _, pack in read_archived(hour.folder, entry.name, hour.start):
                    for row in (pack.row(number) for number in range(len(pack))):
                        found[row.message_id] = (row.payload, row.attributes)
        return found

    def _counted(self) -> Iterator[Violation]:
        events = len(self.oracle.rows("SELECT event_id FROM accepted"))
        names = [HOT_PATH, self.stage.plan.beside, REPLAY]
        if self.stage.plan.beside == CURATE:
            names.append(f"{REPLAY}-{CURATE}")
        for name in names:
            counted = json.loads((self.stage.folder / f"{name}.json").read_text())
            yield from checks.count_violations(name, counted, events, len(self.live.published))

    def _refused(self) -> Iterator[Violation]:
        found = self.oracle.rows("FROM refused")
        wanted = {(row["message_id"], row["reason"]) for row in found}
        for name in (HOT_PATH, self.stage.plan.beside, REPLAY):
            folder = self.stage.folder / name / "quarantine"
            kept = {(each.message_id, each.reason) for each in read_quarantine(str(folder))}
            yield from checks.refusal_violations(name, kept, wanted, self._rivals)

    def _late(self) -> Iterator[Violation]:
        """What is called late must be older than the horizon when all had been published."""
        newest = max(each.published for each in self.live.messages.values())
        found = self.oracle.rows(
            "SELECT DISTINCT event_id FROM late JOIN accepted USING (event_id) "
            f"WHERE told = 'tile' AND happened > {newest - HORIZON}"
        )
        if found:
            told = f"{HOT_PATH}: {len(found)} events are called late and were in time"
            yield Violation(checks.ORACLE, told)

    def _cells(self) -> Iterator[Violation]:
        less, full = (
            checks.places_of(self.oracle.cells(leaves_out_late=each), self._disputed)
            for each in (True, False)
        )
        hidden = {checks.row_key(*each) for each in self._disputed}
        late = {place for place in {*less, *full} if less.get(place) != full.get(place)}
        again = self.live.restarts[HOT_PATH] > 0
        live, replay = self._live.folded, self._replay.folded
        yield from checks.cell_violations(HOT_PATH, live, (less, full), hidden, between=again)
        yield from checks.cell_violations(REPLAY, replay, (full, full), hidden)
        yield from checks.replay_violations("cells", live, replay, hidden, late)
        if self.after.closed:
            start, end = self.after.closed
            mended = {place for place in late if start <= place[3] < end}
            table = self._table(self.stage.table).folded
            told = f"cells after the {REPAIR}"
            yield from checks.replay_violations(told, table, replay, hidden, late - mended)

    @cached_property
    def _disputed(self) -> set[tuple[str, str]]:
        return self.oracle.disputed()

    def _curated(self) -> Iterator[Violation]:
        wanted = {
            row["event_id"]: (row["event_type"], row["user_id"], row["session_id"])
            for row in self.oracle.rows("FROM accepted WHERE NOT rival")
        }
        rivals = set(self._rivals.values())
        told = []
        for name in (CURATE, f"{REPLAY}-{CURATE}"):
            rows = Rows.read([str(self._folder(name) / "rows")]).curated(copies=False)
            told.append({key: row for key, row in rows.items() if key[1] not in rivals})
            found = {
                key: (table.rpartition(".")[2], row["user_id"], row.get("session_id"))
                for (table, key), row in told[-1].items()
            }
            yield from checks.row_violations(checks.ORACLE, name, found, wanted)
        yield from checks.row_violations(checks.REPLAY, CURATE, *told)

    def _measured(self) -> Iterator[Violation]:
        live = self._panes(WINDOWS)
        less, full = map(self._windows, (True, False))
        late = {key for key in {*less, *full} if less.get(key) != full.get(key)}
        if self.live.restarts[WINDOWS]:
            less, live = _without(less, late), _without(live, late)
        yield from checks.row_violations(checks.ORACLE, WINDOWS, live, less)
        if self.after.closed:
            start, end = self.after.closed
            inside = {key for key in {*full, *less} if start <= key[2] < end}
            mended = self._panes(WINDOWS, f"{REPAIR}-{WINDOWS}")
            told = f"{WINDOWS} after they were computed anew"
            found, wanted = (
                {k: v for k, v in each.items() if k in inside} for each in (mended, full)
            )
            yield from checks.row_violations(checks.REPLAY, told, found, wanted)

    def _panes(self, *names: str) -> dict[Any, Any]:
        metrics = load_metrics(str(self.stage.services.metrics), load_contracts(None))
        rows = Rows.read([str(self._folder(name) / "rows") for name in names]).measured(metrics)
        return {
            key: tuple(int(row[name]) for name in _MEASURES[key[0]])
            for key, row in rows.items()
            if key not in self._unsure
        }

    def _windows(self, without_late: bool) -> dict[Any, Any]:
        found = {}
        for metric in METRICS:
            for row in self.oracle.rows(f"FROM {metric}({without_late})"):
                keys = (row[name] for name in _DIMENSIONS[metric])
                key = (metric, row["window"], row["window_start"], *keys)
                if key not in self._unsure:
                    found[key] = tuple(int(row[name]) for name in _MEASURES[metric])
        return found

    @cached_property
    def _unsure(self) -> set[tuple[Any, ...]]:
        """The windows and keys that ids in conflict may belong to."""
        return {
            (metric, row["window"], row["start"], *(row[name] for name in _DIMENSIONS[metric]))
            for metric in METRICS
            for row in self.oracle.rows("FROM disputed_windows")
        }

    def _late_ids(self, job: str) -> set[str]:
        return {row["event_id"] for row in self._late_rows(job)}

    def _late_rows(self, job: str) -> list[dict[str, Any]]:
        folder = self.stage.folder / job / "late"
        if not folder.exists():
            return []
        bodies = (body for _, body in read_objects(str(folder), ".ndjson"))
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    def _folder(self, name: str) -> Path:
        return self.stage.folder / name

    def _table(self, name: str) -> Snapshot:
        return snapshot(name, self._features)


def _without(rows: Mapping[Any, Any], keys: set[Any]) -> dict[Any, Any]:
    return {key: row for key, row in rows.items() if key not in keys}
