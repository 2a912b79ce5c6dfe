"""`penstock metrics`: what a row says of a metric's windows."""

from typing import Annotated

import typer

from console.table_option import TableOption

__all__ = ["app", "get"]

app = typer.Typer(
    help="Metrics as a reader of Bigtable sees them.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """Metrics as a reader of Bigtable sees them."""


@app.command()
def get(
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="its name")],
    key: Annotated[
        list[str] | None,
        typer.Argument(metavar="DIMENSION=VALUE", help="each dimension; alone where it is null"),
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="length of the windows, by default the shortest")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="how many windows, up to the one at --at")] = 1,
    at: Annotated[str | None, typer.Option(help="RFC 3339 time, by default now")] = None,
    bigtable_table: TableOption = "",
    metrics: Annotated[str | None, typer.Option(help="folder or file of metrics")] = None,
    contracts: Annotated[str | None, typer.Option(help="folder of contracts")] = None,
) -> None:
    """Read one row of a metric that says `bigtable: true`, and show its last windows.

    Prints JSON: the windows that there are, and all of them together.

    Example: penstock metrics get purchases currency=EUR --window 5m --last 12

    Example: penstock metrics get activity event_type=click country
    """
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from console.metric_reading import read_metric  # noqa: PLC0415

    asked = key or []
    typer.echo(read_metric(metric, asked, window, last, at, bigtable_table, metrics, contracts))
