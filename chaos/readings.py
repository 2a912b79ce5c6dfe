"""Reads the sinks of a case back into plain values, as the documents say that readers do."""

import functools
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from chaos.cell_store import CellStore
from chaos.row_store import RowStore
from schemas.contract import load_contracts
from schemas.feature_set import Feature, FeatureSet, StateField, load_features
from schemas.metric import Metric
from schemas.metric_set import load_metrics
from schemas.metric_tables import pane_table
from schemas.rejected import Rejected
from schemas.sketches import estimate
from schemas.times import parse_rfc3339
from transforms.archive_manifest import list_hours
from transforms.archive_objects import read_packs
from transforms.object_store import read_objects
from transforms.quarantine import read_quarantine

__all__ = ["Cells", "archived_ids", "cells_of", "late_of", "quarantined", "rows_of"]

_MILLI = 1_000
_HOUR = 3_600_000_000
Place = tuple[str, str, str, int]
"""Entity, id, name of the feature or state field, start of the tile (0 of last values)."""


class Cells(NamedTuple):
    """What a reader finds in a table: version and value by place, of last values and of tiles.

    A version is the event time in milliseconds, or the number of events.
    """

    state: dict[Place, tuple[int, Any]]
    tiles: dict[Place, tuple[int, Any]]


def cells_of(store: CellStore) -> Cells:
    """Return the newest of every last value and of every tile."""
    found = Cells({}, {})
    for key, row in store.rows.items():
        _, entity, entity_id = key.decode().split("#", 2)
        for (family, name), cells in row.items():
            for time in sorted(cells):
                if family == "s":
                    field = _declared()[entity, name]
                    found.state[entity, entity_id, name, 0] = (
                        time // _MILLI,
                        _value(field, cells[time]),
                    )
                else:
                    start = time - time % _HOUR
                    number = (time - start) // _MILLI
                    value = _value(_declared()[entity, name], cells[time])
                    found.tiles[entity, entity_id, name, start] = number, value
    return found


def rows_of(rows: RowStore, project: str, generation: int) -> dict[Any, dict[str, int]]:
    """Return the current value of each window by metric, window, start and key.

    Args:
        rows: the tables.
        project: whose they are.
        generation: the least that counts: that of the last recomputation.
    """
    found: dict[Any, tuple[Any, dict[str, int]]] = {}
    for metric in _metrics():
        table = f"{project}.{pane_table(metric).full_name}"
        for row in rows.tables.get(table, ()):
            if row["generation"] < generation:
                continue
            start = parse_rfc3339(row["window_start"])
            key = tuple(row.get(each.name) for each in metric.dimensions)
            place = metric.name, row["window"], start, key
            rank = row["generation"], row["event_count"], row["pane_index"], row["insert_id"]
            if place not in found or found[place][0] < rank:
                found[place] = rank, _measured(metric, row)
    return {place: values for place, (_, values) in found.items()}


def quarantined(job: str) -> Iterator[Rejected]:
    """Yield what a job has put into its quarantine."""
    return read_quarantine(f"/quarantine/{job}")


def late_of(folder: str) -> list[Mapping[str, Any]]:
    """Return the lines of a folder of late events."""
    return [
        json.loads(line)
        for _, content in read_objects(folder, ".ndjson")
        for line in content.splitlines()
    ]


def archived_ids() -> set[str]:
    """Return the ids of all messages that the archive's manifest leads to."""
    return {
        message_id
        for hour in list_hours("/archive", "events")
        for entry in hour.entries
        for _, pack in read_packs(hour.path_of(entry), entry)
        for message_id in pack.message_ids or ()
    }


@functools.cache
def _declared() -> Mapping[tuple[str, str], Feature | StateField]:
    sets: list[FeatureSet] = load_features(None, load_contracts(None))
    declared: dict[tuple[str, str], Feature | StateField] = {}
    for each in sets:
        declared |= {(each.entity, field.name): field for field in each.state}
        declared |= {(each.entity, feature.name): feature for feature in each.features}
    return declared


@functools.cache
def _metrics() -> list[Metric]:
    return load_metrics(None, load_contracts(None))


def _value(field: Feature | StateField, encoded: bytes) -> Any:
    if getattr(field, "aggregate", "") == "approx_distinct":
        return estimate(encoded)
    if field.value is not None and field.value.kind in ("string", "enum", "uuid"):
        return encoded.decode()
    number = int.from_bytes(encoded, "big", signed=True)
    return number if isinstance(field, Feature) else str(number)


def _measured(metric: Metric, row: Mapping[str, Any]) -> dict[str, int]:
    told = {"event_count": row["event_count"]}
    for each in metric.measures:
        if each.measure != "ratio" and row.get(each.name) is not None:
            scale = each.value.scale if each.value.kind == "decimal" else 0
            told[each.name] = int(Decimal(str(row[each.name])).scaleb(scale))
    return told
