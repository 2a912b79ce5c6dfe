"""What the steps that keep state hold for a workload, and over how many shards it is spread."""

import math
from typing import NamedTuple

from console.cost_figures import Figures, at_pack
from console.cost_workload import AUTO, Workload

__all__ = ["Held", "active_hours", "held_by_shards", "hours_a_second", "shards_of"]

_HOUR = 3_600.0
_FEWEST_SHARDS = 16
_MOST_SHARDS = 2**20
_MICRO = 1e-6
# Open tiles stay for two horizons behind the watermark; `FoldEntities` says why.
_HORIZONS = 2


class Held(NamedTuple):
    """What the shards of the steps that keep state hold, all together, in bytes."""

    ids_state: float
    ids_memory: float
    rows_state: float
    rows_memory: float


def active_hours(touches: float, entities: float) -> float:
    """Return how many of so many rows have an event in an hour with so many touches, evenly spread.

    >>> round(active_hours(1_000, 1_000)), round(active_hours(1_000, 1e9))
    (632, 1000)
    """
    return -entities * math.expm1(-touches / entities)


def held_by_shards(load: Workload, figures: Figures) -> Held:
    """Return what dedupe and the entity step hold: ids of a horizon, rows of two and a tile."""
    kept = figures.kept
    ids = load.accepted * load.horizon_hours * _HOUR
    hours = hours_a_second(load, figures) * (_HORIZONS * load.horizon_hours + 1) * _HOUR
    return Held(
        ids * kept["state_an_id"],
        ids * kept["memory_an_id"],
        hours * kept["state_an_entity_hour"],
        hours * kept["memory_an_entity_hour"],
    )


def hours_a_second(load: Workload, figures: Figures) -> float:
    """Return how many (row, hour) begin to exist a second."""
    touched = at_pack(figures.packs, 1)["rows"]
    return active_hours(load.accepted * touched * _HOUR, load.entities) / _HOUR


def shards_of(load: Workload, figures: Figures, commit_bytes: float, busy: float) -> int:
    """Return the shards of a workload: as given, else the fewest that keep to two limits.

    Args:
        load: whose `shards` may be `AUTO`.
        figures: as measured.
        commit_bytes: the most that a shard may write at once, which is its whole log.
        busy: the most of a second that a shard may work in a second, on this machine.
    """
    if load.shards != AUTO:
        return load.shards
    held, count = held_by_shards(load, figures), _FEWEST_SHARDS
    while count < _MOST_SHARDS:
        each = at_pack(figures.packs, load.messages_per_bundle / count)
        work = load.events_per_second * max(each["ids_cpu_us"], each["changes_cpu_us"]) * _MICRO
        if max(held.ids_state, held.rows_state) / count <= commit_bytes and work / count <= busy:
            break
        count *= 2
    return count
