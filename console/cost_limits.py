"""Which limit a growing stream hits first, and where it stands at a rate."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from console.cost_figures import Figures, at_pack
from console.cost_files import Limit
from console.cost_state import shards_of
from console.cost_usage import GIB, Usage, usage
from console.cost_workload import Workload

__all__ = ["RATES", "First", "Scaled", "first_limit", "held_against", "scaled", "writes_of_hot_row"]

RATES = (1_000.0, 10_000.0, 100_000.0, 1_000_000.0)

_HIGHEST = 1e9
_STEPS = 60
_MICRO = 1e-6


class Scaled(NamedTuple):
    """A workload at a rate: what it uses, and the share of each limit by name."""

    rate: float
    used: Usage
    shares: dict[str, float]

    @property
    def exceeded(self) -> list[str]:
        """The names of the limits that are exceeded, the worst one first."""
        over = [name for name, share in self.shares.items() if share > 1]
        return sorted(over, key=lambda name: -self.shares[name])


class First(NamedTuple):
    """The first limit that a growing stream hits, and at how many events a second; or none."""

    limit: Limit | None
    rate: float


def scaled(
    load: Workload, figures: Figures, assumed: Mapping[str, float], limits: list[Limit]
) -> Scaled:
    """Hold a workload against all limits."""
    by_name = {limit.name: limit.value for limit in limits}
    speed = _speed(assumed)
    commit, busy = by_name["state_commit_bytes"], by_name["key_busy"]
    shards = shards_of(load, figures, commit, busy / speed)
    used = usage(load, figures, assumed, shards)
    found = dict(held_against(load, figures, assumed, used))
    return Scaled(
        load.events_per_second,
        used,
        {limit.name: found[limit.name] / limit.value for limit in limits},
    )


def held_against(
    load: Workload, figures: Figures, assumed: Mapping[str, float], used: Usage
) -> Iterator[tuple[str, float]]:
    """Yield what stands against each limit, in the limit's unit."""
    yield "pubsub_publish_bytes", used.publish_bytes
    yield "pubsub_pull_bytes", used.pull_bytes
    yield "dataflow_workers", max(used.vcpus.values()) / assumed["vcpus_per_worker"]
    held = used.held
    yield "state_commit_bytes", max(held.ids_state, held.rows_state) / used.shards
    yield "key_busy", _busiest_key(load, figures, used) * _speed(assumed)
    yield "shard_memory_gib", max(held.ids_memory, held.rows_memory) / used.shards / GIB
    yield "bigtable_nodes", used.bigtable_nodes
    yield "bigtable_row_writes", writes_of_hot_row(load, used.pack)
    yield "bigquery_write_bytes", used.bigquery_write_bytes
    yield "bigquery_insert_bytes", used.bigquery_insert_bytes
    yield "storage_object_writes", used.objects


def writes_of_hot_row(load: Workload, pack: float) -> float:
    """Return the writes a second of the busiest entity's row: one for each pack that names it."""
    size = max(pack, 1.0)
    packs = load.events_per_second / size
    return float(packs * (1 - (1 - load.hot_key_share) ** size))


def first_limit(
    load: Workload, figures: Figures, assumed: Mapping[str, float], limits: list[Limit]
) -> First:
    """Return the limit that is hit first when nothing but the rate grows, and where.

    Shares of limits grow with the rate (with shards that follow it, but for steps), so the rate is
    found by halving what lies between one that fits and one that does not.
    """
    low, high = 0.0, _HIGHEST
    if not scaled(load.at(high), figures, assumed, limits).exceeded:
        return First(None, high)
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5 if low else high / 10
        if scaled(load.at(middle), figures, assumed, limits).exceeded:
            high = middle
        else:
            low = middle
    worst = scaled(load.at(high), figures, assumed, limits).exceeded[0]
    return First(next(limit for limit in limits if limit.name == worst), high)


def _busiest_key(load: Workload, figures: Figures, used: Usage) -> float:
    """Return the share of its time that the busiest key of dedupe or of the entities works.

    Ids are spread evenly, whoever they are about; an entity's events all meet in its shard, those
    of a pack as one change of its row.
    """
    each = at_pack(figures.packs, used.pack)
    ids = load.events_per_second / used.shards * each["ids_cpu_us"]
    others = (1 - load.hot_key_share) * load.events_per_second / used.shards
    hot = writes_of_hot_row(load, used.pack) / each["rows"]
    return max(ids, (hot + others) * each["changes_cpu_us"]) * _MICRO


def _speed(assumed: Mapping[str, float]) -> float:
    """Return how much longer a key works on Dataflow than the measured step did here."""
    return assumed["machine_factor"] * assumed["streaming_factor"]
