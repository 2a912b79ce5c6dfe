"""`penstock features`: what a row says."""

from typing import Annotated

import typer

from console.table_option import TableOption

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
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from console.feature_reading import read_features  # noqa: PLC0415

    read = read_features(identifier, at, entity, spans, bigtable_table, features, contracts)
    typer.echo(read)
