"""The rows of the proof: curated events and panes of metrics, by the way they came."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml

from local.generate import Message
from local.prove_schedule import SECOND
from schemas.current_panes import current_panes
from schemas.current_rows import current_rows
from schemas.durations import parse_duration
from schemas.metric import Metric
from schemas.metric_set import SHIPPED
from schemas.times import parse_rfc3339
from transforms.object_store import read_objects

__all__ = [
    "WINDOWS", "Rows", "Told", "late_ids", "late_places", "rival_places", "row_problems",
    "unlike_rows", "write_metrics",
]  # fmt: skip

WINDOWS = ("5s", "10s")
"""Of the metrics of the proof."""

Told: TypeAlias = dict[tuple[Any, ...], dict[str, Any]]
"""What readers see: rows by table and event id, or by metric, window, start and dimensions."""

_Row: TypeAlias = Mapping[str, Any]
# Age and rejects tell of messages, of which a killed job sees some twice.
_METRICS = ("activity", "lesson_funnel", "purchases")
_SILVER, _PANES = "silver_", "ops.panes_"
_LATE, _RECOMPUTED = "ops.late", "ops.recomputed"
_OF_A_RUN = ("ingest_time",)
_OF_A_COPY = ("publish_time", "message_id")
_OF_A_PANE = ("pane_index", "timing", "generation", "insert_id")
_PARTS = ("accepted", "duplicate", "conflict", "late")


def write_metrics(folder: Path, horizon: int) -> None:
    """Write the shipped metrics with short windows, and a lateness that this horizon allows."""
    folder.mkdir()
    lateness = horizon // SECOND - max(parse_duration(each) for each in WINDOWS) // SECOND
    for name in _METRICS:
        spec = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
        spec |= {"windows": [*WINDOWS], "allowed_lateness": f"{lateness}s"}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))


class Rows(NamedTuple):
    """Rows by table, of one or several runs: those of a way."""

    tables: dict[str, list[_Row]]

    @classmethod
    def read(cls, folders: Iterable[str]) -> "Rows":
        """Read what runs wrote by `--rows_output`; folders that are not there hold nothing."""
        tables: dict[str, list[_Row]] = {}
        for folder in filter(lambda each: Path(each).exists(), folders):
            for name, content in read_objects(folder, ".ndjson"):
                table = name.rsplit("/", 2)[1]
                tables.setdefault(table, []).extend(map(json.loads, content.splitlines()))
        return cls(tables)

    def curated(self, *, copies: bool) -> Told:
        """Return the current row of each event, with or without what tells its copies apart."""
        hidden = {*_OF_A_RUN, *(() if copies else _OF_A_COPY)}
        return {
            (table, event_id): {name: row[name] for name in row if name not in hidden}
            for table, rows in self.tables.items()
            if table.startswith(_SILVER)
            for event_id, row in current_rows(rows).items()
        }

    def measured(self, metrics: Iterable[Metric]) -> Told:
        """Return what holds of each window and key; windows that are zero are left out."""
        return {
            (metric.name, *key): {name: row[name] for name in row if name not in _OF_A_PANE}
            for metric in metrics
            for key, row in current_panes(
                metric, self._of(_PANES + metric.name), self._of(_RECOMPUTED)
            ).items()
            if row["event_count"]
        }

    @property
    def late(self) -> list[_Row]:
        """The events that came too late for windows."""
        return self._of(_LATE)

    def _of(self, table: str) -> list[_Row]:
        return self.tables.get(table, [])


def late_ids(messages: Iterable[Message]) -> set[str]:
    """Return the ids of the events that are late by far."""
    return {message.event["event_id"] for message in messages if message.label == "late"}


def late_places(rows: Iterable[_Row], metrics: Sequence[Metric]) -> set[tuple[Any, ...]]:
    """Return the windows and keys that late events belong to."""
    by_name = {metric.name: metric for metric in metrics}
    return {
        _place(by_name[name], window, json.loads(row["event"]))
        for row in rows
        for name, _, window in (each.partition("/") for each in row["late_for"])
    }


def rival_places(messages: Iterable[Message], metrics: Sequence[Metric]) -> set[tuple[Any, ...]]:
    """Return the windows and keys that ids in conflict belong to: either event may count."""
    rivals = [message.event for message in messages if message.rival]
    return {
        _place(metric, window, event)
        for event in rivals
        for metric in metrics
        for window in WINDOWS
    }


def unlike_rows(one: Told, other: Told, without: Set[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """Return the places that do not hold the same, but for some."""
    places = {place for place in one.keys() | other.keys() if one.get(place) != other.get(place)}
    return places - without


def row_problems(name: str, counted: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not add up in the counters of a run that wrote rows."""
    parts = sum(counted.get(part, 0) for part in _PARTS) + sum(counted["rejected"].values())
    if counted["read"] != parts:
        yield f"{name}: read {counted['read']}, and {parts} in its parts"
    if counted["rows"] != counted["rows_written"] + counted["rows_refused"]:
        yield f"{name}: rows are not written + refused"
    if counted["rows_refused"]:
        yield f"{name}: {counted['rows_refused']} rows refused"


def _place(metric: Metric, window: str, event: _Row) -> tuple[Any, ...]:
    length = parse_duration(window)
    start = parse_rfc3339(event["event_timestamp"]) // length * length
    return (metric.name, window, start, *(_value(event, each.path) for each in metric.dimensions))


def _value(event: _Row, path: str) -> Any:
    found: Any = event
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
