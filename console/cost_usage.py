"""What a workload uses of each service, a second: the formulas of docs/cost.md, plain functions."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from console.cost_figures import JOBS, Figures, Side, at_pack
from console.cost_state import Held, held_by_shards, hours_a_second
from console.cost_workload import Workload

__all__ = ["GIB", "Usage", "naive_usage", "usage"]

GIB = 2**30
_HOUR = 3_600.0
_WINDOWS = (60.0, 300.0)
_BATCH_SECONDS, _BATCH_BYTES = 300.0, 32e6
_INSERT_LEAST = 1_024
_MICRO = 1e-6
_DEDUPING = ("hot_path", "curate_events", "window_metrics")


class Usage(NamedTuple):
    """What a pipeline uses a second; of tables and archive, what lies there after the retention.

    `vcpus` are those of each job's workers, of which `busy_vcpus` are wanted for the work alone:
    a job has one worker at least, and as many as its shards need memory. `engine_bytes` are those
    that Streaming Engine processes; `bigtable_bytes`, `bigquery_bytes`, `storage_bytes` are kept.
    """

    vcpus: Mapping[str, float]
    busy_vcpus: Mapping[str, float]
    engine_bytes: float
    publish_bytes: float
    pull_bytes: float
    bigtable_rows: float
    bigtable_nodes: int
    bigtable_bytes: float
    bigquery_write_bytes: float
    bigquery_insert_bytes: float
    bigquery_bytes: float
    bigquery_query_bytes: float
    storage_bytes: float
    class_a: float
    class_b: float
    objects: float
    shards: int
    pack: float
    held: Held


def usage(load: Workload, figures: Figures, assumed: Mapping[str, float], shards: int) -> Usage:
    """Return what the suite's four streaming jobs use."""
    pack = load.messages_per_bundle / shards
    each, side = at_pack(figures.packs, pack), figures.penstock
    row = side.bytes["curated_row"] * _scale(load, figures)
    held = held_by_shards(load, figures)
    panes = _panes(load, assumed["panes_per_window"]) * side.bytes["pane_row"]
    archived = load.events_per_second * _payload(load, figures)
    objects = max(1 / _BATCH_SECONDS, archived / _BATCH_BYTES)
    memory = dict.fromkeys(_DEDUPING, held.ids_memory)
    memory["hot_path"] += held.rows_memory
    cpu, engine = _slower(figures, each), _engine(load, figures, assumed, each)
    whole = _common(load, figures, assumed, cpu, engine, memory)
    rows = load.events_per_second * each["rows"]
    return whole._replace(
        bigtable_rows=rows,
        bigtable_nodes=_nodes(rows, whole.bigtable_bytes, assumed),
        bigquery_write_bytes=load.accepted * row + panes,
        bigquery_bytes=(load.accepted * row + panes) * _retention(load),
        bigquery_query_bytes=_queried(load, panes, assumed),
        storage_bytes=_archived(load, figures, side),
        # An object and its entry of the manifest; a marker each minute; compaction's, once an hour.
        class_a=2 * objects + 1 / 60 + 2 / _HOUR,
        class_b=2 * objects,
        objects=objects,
        shards=shards,
        pack=pack,
        held=held,
    )


def naive_usage(load: Workload, figures: Figures, assumed: Mapping[str, float]) -> Usage:
    """Return what the same jobs use in plain Beam: state per id, a mutation a field, inserts."""
    side = figures.naive
    each = side.bytes
    row = each["curated_row"] * _scale(load, figures)
    panes = _panes(load, 1.0)
    ids_held = load.accepted * load.horizon_hours * _HOUR * each["ids_state"]
    engine = _naive_engine(load, figures, assumed)
    whole = _common(load, figures, assumed, side.cpu, engine, {})
    inserted = load.accepted * max(row, _INSERT_LEAST)
    kept = load.accepted * row + panes * each["pane_row"]
    rows, files = load.accepted * each["rows"], 1 / min(_WINDOWS)
    return whole._replace(
        bigtable_rows=rows,
        bigtable_nodes=_nodes(rows, whole.bigtable_bytes, assumed),
        bigquery_insert_bytes=inserted + panes * max(each["pane_row"], _INSERT_LEAST),
        bigquery_bytes=kept * _retention(load),
        bigquery_query_bytes=_queried(load, panes * each["pane_row"], assumed),
        storage_bytes=_archived(load, figures, side),
        # A file of a window is written under another name, and copied to its own.
        class_a=2 * files,
        class_b=files,
        objects=files,
        held=Held(ids_held, 0.0, 0.0, 0.0),
    )


def _engine(
    load: Workload, figures: Figures, assumed: Mapping[str, float], each: Mapping[str, float]
) -> dict[str, float]:
    """Return the bytes of an event that Streaming Engine processes, by job."""
    message = _message(load, figures, assumed)
    more = _payload(load, figures) - figures.payload
    row = figures.penstock.bytes["curated_row"] * _scale(load, figures)
    ids = each["ids_shuffle"] + more + each["ids_state"]
    return {
        "hot_path": message + ids + each["changes_shuffle"] + each["changes_state"],
        # Into the batches, their state, and behind the boundary where they are formed.
        "archive_raw": 4 * message,
        "curate_events": message + ids + row,
        "window_metrics": message + ids + 2 * each["parts_shuffle"],
    }


def _naive_engine(
    load: Workload, figures: Figures, assumed: Mapping[str, float]
) -> dict[str, float]:
    message, each = _message(load, figures, assumed), figures.naive.bytes
    more = _payload(load, figures) - figures.payload
    row = each["curated_row"] * _scale(load, figures)
    ids = each["ids_shuffle"] + more + each["ids_state"]
    return {
        "hot_path": message + ids + each["changes_shuffle"] + each["changes_state"],
        "archive_raw": message,
        "curate_events": message + each["distinct_shuffle"] + more + row,
        "window_metrics": message + ids + 2 * each["parts_shuffle"],
    }


def _slower(figures: Figures, each: Mapping[str, float]) -> dict[str, float]:
    """Return the processor seconds of the jobs, with what smaller packs than batch's add to them.

    Of the steps that were measured by the size of packs; the benchmarks' packs are the largest.
    """
    many = max(figures.packs, key=lambda packed: packed["events_a_pack"])
    more = {
        name: max(0.0, each[name] - many[name]) * _MICRO
        for name in ("ids_cpu_us", "changes_cpu_us", "parts_cpu_us")
    }
    added = {
        "hot_path": more["ids_cpu_us"] + more["changes_cpu_us"],
        "curate_events": more["ids_cpu_us"],
        "window_metrics": more["ids_cpu_us"] + more["parts_cpu_us"],
    }
    return {job: cpu + added.get(job, 0.0) for job, cpu in figures.penstock.cpu.items()}


def _common(
    load: Workload,
    figures: Figures,
    assumed: Mapping[str, float],
    cpu: Mapping[str, float],
    engine: Mapping[str, float],
    memory: Mapping[str, float],
) -> Usage:
    factor = assumed["machine_factor"] * assumed["streaming_factor"] / assumed["worker_utilisation"]
    busy = {job: load.events_per_second * cpu[job] * factor for job in JOBS}
    room = assumed["gib_per_vcpu"] * assumed["memory_for_state"] * GIB
    vcpus = {
        job: max(busy[job], memory.get(job, 0.0) / room, assumed["vcpus_per_worker"])
        for job in JOBS
    }
    message = load.events_per_second * _message(load, figures, assumed)
    kept = figures.kept
    hours = hours_a_second(load, figures) * _retention(load)
    table = (
        load.entities * kept["table_bytes_an_entity"] + hours * kept["table_bytes_an_entity_hour"]
    )
    return Usage(
        vcpus, busy, load.events_per_second * sum(engine.values()), message, message * len(JOBS),
        0.0, 0, table * assumed["bigtable_compression"],
        0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 1.0, Held(0.0, 0.0, 0.0, 0.0),
    )  # fmt: skip


def _nodes(rows: float, stored: float, assumed: Mapping[str, float]) -> int:
    of_rows = rows / (assumed["bigtable_rows_per_node"] * assumed["bigtable_utilisation"])
    of_bytes = stored / (assumed["bigtable_gib_per_node"] * GIB)
    return max(1, math.ceil(of_rows), math.ceil(of_bytes))


def _payload(load: Workload, figures: Figures) -> float:
    return load.bytes_per_event or figures.payload


def _scale(load: Workload, figures: Figures) -> float:
    return _payload(load, figures) / figures.payload


def _message(load: Workload, figures: Figures, assumed: Mapping[str, float]) -> float:
    return _payload(load, figures) + assumed["pubsub_message_overhead"]


def _retention(load: Workload) -> float:
    return load.retention_days * 24 * _HOUR


def _archived(load: Workload, figures: Figures, side: Side) -> float:
    event = side.bytes["archive"] * _scale(load, figures)
    return load.events_per_second * event * _retention(load)


def _panes(load: Workload, panes_per_window: float) -> float:
    return load.metric_keys * sum(1 / window for window in _WINDOWS) * panes_per_window


def _queried(load: Workload, panes: float, assumed: Mapping[str, float]) -> float:
    """A query of a view reads the panes of a day, in the columns that it names."""
    return load.queries_per_day / (24 * _HOUR) * panes * 24 * _HOUR * assumed["columns_read"]
