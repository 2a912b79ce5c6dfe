"""`penstock features`: what a row says."""

import json
import time
from typing import Annotated

import typer

from console.table_option import TableOption
from local.tables import read_cells
from schemas.bigtable_table import TableName
from schemas.cells import row_key
from schemas.contract import load_contracts
from schemas.feature_set import FeatureSet, load_features
from schemas.tiles import fold_row
from schemas.times import format_rfc3339, parse_rfc3339

__all__ = ["app", "get"]

app = typer.Typer(
    help="Features as a reader sees them.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """Features as a reader sees them."""


@app.command()
def get(
    identifier: Annotated[str, typer.Argument(metavar="USER", help="the id in the row key")],
    at: Annotated[str | None, typer.Option(help="RFC 3339 time to fold at, by default now")] = None,
    entity: Annotated[str, typer.Option(help="user, session or another entity")] = "user",
    spans: Annotated[str, typer.Option(help="spans, separated by commas")] = "1h,24h,30d",
    bigtable_table: TableOption = "",
    features: Annotated[str | None, typer.Option(help="folder or file of features")] = None,
    contracts: Annotated[str | None, typer.Option(help="folder of contracts")] = None,
) -> None:
    """Read one row and fold its tiles into the spans asked for.

    Prints JSON: last values by name, and each feature by span.

    Example: penstock features get u000001 --at 2026-01-05T12:00:00Z
    """
    if not bigtable_table:
        msg = "--bigtable_table is missing: name it, or export PENSTOCK_TABLE"
        raise ValueError(msg)
    moment = time.time_ns() // 1000 if at is None else _moment(at)
    chosen = _set(load_features(features, load_contracts(contracts)), entity)
    key = row_key(entity, identifier)
    cells = read_cells(TableName.parse(bigtable_table), key)
    if not cells:
        msg = f"{bigtable_table} has no row {key.decode()}; check the id and --entity"
        raise ValueError(msg)
    folded = fold_row(cells, chosen, [span.strip() for span in spans.split(",")], moment)
    shown = {"row_key": key.decode(), "at": format_rfc3339(moment), **folded}
    typer.echo(json.dumps(shown, indent=2, ensure_ascii=False, default=str))


def _moment(at: str) -> int:
    try:
        return parse_rfc3339(at)
    except ValueError:
        msg = f"--at {at}: write an RFC 3339 time with offset, such as 2026-01-31T12:00:00Z"
        raise ValueError(msg) from None


def _set(sets: list[FeatureSet], entity: str) -> FeatureSet:
    found = [one for one in sets if one.entity == entity]
    if not found:
        names = ", ".join(one.entity for one in sets)
        msg = f"--entity {entity}: no feature set is about it; there are {names}"
        raise ValueError(msg)
    return found[0]
