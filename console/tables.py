"""`penstock tables`: Bigtable tables of the hot path."""

from typing import Annotated

import typer

from console.table_option import TableOption

__all__ = ["app", "create", "diff"]

app = typer.Typer(
    help="Bigtable tables of the hot path.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """Bigtable tables of the hot path."""


@app.command()
def create(
    bigtable_table: TableOption,
) -> None:
    """Create a table with the families that the hot path writes.

    Example: penstock tables create --bigtable_table=projects/p/instances/i/tables/features
    """
    # By the call: the clients take seconds to import, and help needs none of them.
    from console.new_table import new_table  # noqa: PLC0415

    typer.echo(new_table(bigtable_table))


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="a table, or a place of cell lines")],
    b: Annotated[str, typer.Argument(metavar="B", help="what to compare it with")],
    sample: Annotated[int, typer.Option(min=0, help="row keys to show of each difference")] = 5,
    features: Annotated[str | None, typer.Option(help="folder or file of features")] = None,
    contracts: Annotated[str | None, typer.Option(help="folder of contracts")] = None,
) -> None:
    """Say what differs between two tables as their readers see them.

    A and B are tables, projects/P/instances/I/tables/T, or files and folders that --cells_output
    wrote, local or gs://. Of each last value the newest cell counts, of each tile the highest
    version. Status 0: nothing differs; 1: something does; 2: they cannot be compared.

    Example: penstock tables diff projects/p/instances/i/tables/live gs://bucket/shadow/cells
    """
    # By the call: the clients take seconds to import, and help needs none of them.
    from console.table_diff import diff_tables  # noqa: PLC0415

    report, is_different = diff_tables(a, b, sample, features, contracts)
    typer.echo(report)
    if is_different:
        raise typer.Exit(1)
