"""The files that `penstock cost` reckons with: prices, assumptions and limits, read strictly."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from console.launch_file import Lines, read_file

__all__ = [
    "ASSUMPTIONS",
    "EXAMPLES",
    "LIMITS",
    "PRICES",
    "Limit",
    "Rates",
    "read_limits",
    "read_rates",
]

EXAMPLES = Path(__file__).parents[1] / "templates"
"""Where prices.example.yaml and limits.example.yaml are."""

PRICES = (
    "dataflow_vcpu_hour",
    "dataflow_memory_gib_hour",
    "streaming_engine_gib",
    "streaming_engine_unit_hour",
    "pubsub_tib",
    "bigtable_node_hour",
    "bigtable_ssd_gib_month",
    "bigquery_storage_write_gib",
    "bigquery_insert_gib",
    "bigquery_storage_gib_month",
    "bigquery_query_tib",
    "storage_gib_month",
    "storage_class_a_thousand",
    "storage_class_b_thousand",
)
ASSUMPTIONS = (
    "machine_factor",
    "streaming_factor",
    "worker_utilisation",
    "vcpus_per_worker",
    "gib_per_vcpu",
    "memory_for_state",
    "engine_units_per_gib",
    "pubsub_message_overhead",
    "bigtable_rows_per_node",
    "bigtable_utilisation",
    "bigtable_gib_per_node",
    "bigtable_compression",
    "panes_per_window",
    "columns_read",
    "compaction_hours",
)
LIMITS = (
    "pubsub_publish_bytes",
    "pubsub_pull_bytes",
    "dataflow_workers",
    "state_commit_bytes",
    "key_busy",
    "shard_memory_gib",
    "bigtable_nodes",
    "bigtable_row_writes",
    "bigquery_write_bytes",
    "bigquery_insert_bytes",
    "storage_object_writes",
)
_SHARES = ("worker_utilisation", "memory_for_state", "bigtable_utilisation", "columns_read")
_CHECKED = ("page", "quoted", "no")
_SOURCED = ("source", "date", "checked")


class Rates(NamedTuple):
    """Prices and assumptions by name, and the prices that nobody could verify."""

    currency: str
    region: str
    prices: Mapping[str, float]
    assumptions: Mapping[str, float]
    unverified: tuple[str, ...]


class Limit(NamedTuple):
    """What may not be exceeded: value, unit, where it is said, and what to do when it is hit."""

    name: str
    value: float
    unit: str
    source: str
    checked: str
    remedy: str


def read_rates(path: Path) -> Rates:
    """Read prices and assumptions.

    Raises:
        ValueError: one line with file, line, field and remedy: it is no YAML, a name is missing or
            unknown, or a number is none that it can be.
    """
    fields, lines = read_file(path)
    _check_names(path, lines, (), fields, ("currency", "region", "prices", "assumptions"))
    prices = _section(path, lines, fields, "prices", PRICES)
    assumed = _section(path, lines, fields, "assumptions", ASSUMPTIONS)
    for name, entry in prices.items():
        _check_names(path, lines, ("prices", name), entry, ("price", *_SOURCED))
        _check_checked(path, lines, ("prices", name), entry)
    for name, entry in assumed.items():
        _check_names(path, lines, ("assumptions", name), entry, ("value", "why"))
    return Rates(
        str(fields["currency"]),
        str(fields["region"]),
        {name: _number(path, lines, ("prices", name, "price"), prices[name]) for name in PRICES},
        {name: _assumed(path, lines, name, assumed[name]) for name in ASSUMPTIONS},
        tuple(name for name in PRICES if prices[name]["checked"] == "no"),
    )


def read_limits(path: Path) -> list[Limit]:
    """Read limits, in the order of `LIMITS`.

    Raises:
        ValueError: as of `read_rates`.
    """
    fields, lines = read_file(path)
    _check_names(path, lines, (), fields, ("limits",))
    entries = _section(path, lines, fields, "limits", LIMITS)
    found = []
    for name in LIMITS:
        entry, above = entries[name], ("limits", name)
        _check_names(path, lines, above, entry, ("value", "unit", *_SOURCED, "remedy"))
        _check_checked(path, lines, above, entry)
        value = _positive(path, lines, (*above, "value"), entry)
        texts = (str(entry[each]) for each in ("unit", "source", "checked", "remedy"))
        found.append(Limit(name, value, *texts))
    return found


def _section(
    path: Path, lines: Lines, fields: Mapping[str, Any], name: str, wanted: Iterable[str]
) -> dict[str, dict[str, Any]]:
    section = fields[name]
    _check_names(path, lines, (name,), section, wanted)
    return dict(section)


def _check_names(
    path: Path, lines: Lines, above: tuple[str, ...], found: Any, wanted: Iterable[str]
) -> None:
    where = f"{path}:{lines.get(above, 1)}: {'.'.join(above) or 'the file'}"
    if not isinstance(found, dict):
        msg = f"{where}: holds no fields; write them as in the example of templates/"
        raise ValueError(msg)
    names = tuple(wanted)
    missing = [name for name in names if found.get(name) is None]
    unknown = [str(name) for name in found if name not in names]
    if missing:
        msg = f"{where}: {', '.join(missing)} missing; copy it from the example of templates/"
        raise ValueError(msg)
    if unknown:
        msg = f"{where}: {', '.join(unknown)} unknown; leave it out, or correct the name"
        raise ValueError(msg)


def _check_checked(
    path: Path, lines: Lines, above: tuple[str, ...], entry: Mapping[str, Any]
) -> None:
    if entry["checked"] not in _CHECKED:
        where = f"{path}:{lines.get((*above, 'checked'), 1)}: {'.'.join(above)}.checked"
        msg = f"{where}: write one of {', '.join(_CHECKED)}"
        raise ValueError(msg)


def _assumed(path: Path, lines: Lines, name: str, entry: Mapping[str, Any]) -> float:
    place = ("assumptions", name, "value")
    value = _positive(path, lines, place, entry)
    if name in _SHARES and value > 1:
        msg = f"{path}:{lines.get(place, 1)}: {'.'.join(place)}: a share is 1 at most"
        raise ValueError(msg)
    return value


def _positive(path: Path, lines: Lines, place: tuple[str, ...], entry: Mapping[str, Any]) -> float:
    value = _number(path, lines, place, entry)
    if not value:
        msg = f"{path}:{lines.get(place, 1)}: {'.'.join(place)}: write a number above 0"
        raise ValueError(msg)
    return value


def _number(path: Path, lines: Lines, place: tuple[str, ...], entry: Mapping[str, Any]) -> float:
    try:
        value = float(entry[place[-1]])
    except (TypeError, ValueError):
        value = math.nan
    # What overflows further on would be no price, nor any quota.
    if not 0 <= value <= 1e15:
        msg = f"{path}:{lines.get(place, 1)}: {'.'.join(place)}: write a number from 0 on"
        raise ValueError(msg)
    return value
