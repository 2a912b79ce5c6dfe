"""`penstock cost`: what a million events cost, and which limit a growing stream hits first."""

import json
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from console.printing import print_lines

__all__ = ["cost"]


def _option(name: str, text: str) -> Any:
    return typer.Option(f"--{name}", f"--{name}".replace("_", "-"), help=text)


_File: TypeAlias = Path | None
_Prices: TypeAlias = Annotated[_File, typer.Option(help="YAML of prices [the example's]")]
_Limits: TypeAlias = Annotated[_File, typer.Option(help="YAML of limits [the example's]")]
_Measured: TypeAlias = Annotated[
    _File, typer.Option(help="folder of the benchmarks' records [benchmarks/results]")
]
_Rate: TypeAlias = Annotated[float, _option("events_per_second", "messages published")]
_Bytes: TypeAlias = Annotated[float, _option("bytes_per_event", "of a payload; 0: as measured")]
_Entities: TypeAlias = Annotated[float, typer.Option(help="rows of Bigtable that have events")]
_Days: TypeAlias = Annotated[float, _option("retention_days", "that values are kept")]
_Duplicates: TypeAlias = Annotated[float, typer.Option(help="share of messages that are copies")]
_Horizon: TypeAlias = Annotated[float, _option("horizon_hours", "of dedupe and late events")]
_Hot: TypeAlias = Annotated[float, _option("hot_key_share", "events of the busiest entity")]
_Shards: TypeAlias = Annotated[int, typer.Option(help="of the steps with state; 0: as needed")]
_Bundle: TypeAlias = Annotated[float, _option("messages_per_bundle", "of the source")]
_Keys: TypeAlias = Annotated[float, _option("metric_keys", "with events in every minute")]
_Queries: TypeAlias = Annotated[float, _option("queries_per_day", "of the metrics' views")]
_Billing: TypeAlias = Annotated[str, _option("engine_billing", "data or units")]
_Json: TypeAlias = Annotated[bool, typer.Option("--json", help="one JSON document")]


def cost(
    prices: _Prices = None,
    limits: _Limits = None,
    measured: _Measured = None,
    events_per_second: _Rate = 10_000,
    bytes_per_event: _Bytes = 0,
    entities: _Entities = 1_000_000,
    retention_days: _Days = 30,
    duplicates: _Duplicates = 0.02,
    horizon_hours: _Horizon = 24,
    hot_key_share: _Hot = 0,
    shards: _Shards = 0,
    messages_per_bundle: _Bundle = 1_000,
    metric_keys: _Keys = 1_000,
    queries_per_day: _Queries = 1_000,
    engine_billing: _Billing = "data",
    as_json: _Json = False,
) -> None:
    """Reckon what a million events cost on Google Cloud, beside a naive pipeline of plain Beam.

    From what the benchmarks measured of an event, prices and assumptions of a file, and a workload;
    and hold the workload, at its rate and at 1k to 1M events a second, against quotas and limits.
    docs/cost.md has the formulas.

    Example: penstock cost --events_per_second 50000 --horizon_hours 1
    """
    from console import cost_text  # noqa: PLC0415 (by the call: help needs none of it)
    from console.cost_answer import answer_of  # noqa: PLC0415
    from console.cost_workload import Workload  # noqa: PLC0415

    load = Workload.of(
        events_per_second=events_per_second,
        bytes_per_event=bytes_per_event,
        entities=entities,
        retention_days=retention_days,
        duplicates=duplicates,
        horizon_hours=horizon_hours,
        hot_key_share=hot_key_share,
        shards=shards,
        messages_per_bundle=messages_per_bundle,
        metric_keys=metric_keys,
        queries_per_day=queries_per_day,
    )
    answer = answer_of(load, prices, limits, measured, engine_billing)
    if as_json:
        print_lines([json.dumps(cost_text.as_json(answer), indent=1)])
    else:
        print_lines(cost_text.told(answer))
