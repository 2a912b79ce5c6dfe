"""What a million events cost: quantities by price, of one pipeline, and their sum."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from console.cost_files import Rates
from console.cost_usage import GIB, Usage

__all__ = ["BILLINGS", "MILLION", "Line", "bill", "total"]

MILLION = 1_000_000
BILLINGS = ("data", "units")
"""How Streaming Engine is billed: by the bytes it processes, or by its compute units."""

_TIB = 2**40
_HOUR = 3_600
_MONTH = 365.25 / 12 * 24 * _HOUR


class Line(NamedTuple):
    """One line of a bill for a million events. `quantity` is in `unit`; `cost` in the currency."""

    service: str
    what: str
    quantity: float
    unit: str
    cost: float


def bill(used: Usage, events_per_second: float, rates: Rates, billing: str = "data") -> list[Line]:
    """Return the lines of a bill, the same ones whatever is used."""
    per_million = MILLION / events_per_second
    return [
        Line(service, what, second * per_million, unit, second * per_million * price)
        for service, what, second, unit, price in _a_second(used, rates, billing)
    ]


def total(lines: list[Line]) -> float:
    """Return what all lines cost together."""
    return sum(line.cost for line in lines)


def _a_second(
    used: Usage, rates: Rates, billing: str
) -> Iterator[tuple[str, str, float, str, float]]:
    """Yield service, what, quantity a second, unit, price of a unit.

    What is kept counts with the bytes that are there after the retention, at a price a second.
    """
    price, assumed = rates.prices, rates.assumptions
    vcpus = sum(used.vcpus.values())
    yield "Dataflow", "vCPU", vcpus, "vCPU s", price["dataflow_vcpu_hour"] / _HOUR
    memory = vcpus * assumed["gib_per_vcpu"]
    yield "Dataflow", "memory", memory, "GiB s", price["dataflow_memory_gib_hour"] / _HOUR
    yield _streaming_engine(used.engine_bytes / GIB, price, assumed, billing)
    moved = (used.publish_bytes + used.pull_bytes) / GIB
    yield "Pub/Sub", "published, delivered", moved, "GiB", price["pubsub_tib"] * GIB / _TIB
    nodes = float(used.bigtable_nodes)
    yield "Bigtable", "nodes", nodes, "node s", price["bigtable_node_hour"] / _HOUR
    kept = (
        ("Bigtable", used.bigtable_bytes, price["bigtable_ssd_gib_month"]),
        ("BigQuery", used.bigquery_bytes, price["bigquery_storage_gib_month"]),
        ("Cloud Storage", used.storage_bytes, price["storage_gib_month"]),
    )
    for service, held, monthly in kept:
        yield service, "stored", held / GIB / _MONTH, "GiB months", monthly
    written = used.bigquery_write_bytes / GIB
    yield "BigQuery", "Storage Write", written, "GiB", price["bigquery_storage_write_gib"]
    inserted = used.bigquery_insert_bytes / GIB
    yield "BigQuery", "inserts", inserted, "GiB", price["bigquery_insert_gib"]
    queried = used.bigquery_query_bytes / GIB
    yield "BigQuery", "queries of views", queried, "GiB", price["bigquery_query_tib"] * GIB / _TIB
    for letter, operations in (("a", used.class_a), ("b", used.class_b)):
        each = price[f"storage_class_{letter}_thousand"] / 1_000
        yield "Cloud Storage", f"class {letter.upper()}", operations, "operations", each


def _streaming_engine(
    gib: float, price: Mapping[str, float], assumed: Mapping[str, float], billing: str
) -> tuple[str, str, float, str, float]:
    if billing == "units":
        units = gib * assumed["engine_units_per_gib"]
        cost = price["streaming_engine_unit_hour"]
        return "Dataflow", "Streaming Engine", units, "unit hours", cost
    return "Dataflow", "Streaming Engine", gib, "GiB", price["streaming_engine_gib"]
