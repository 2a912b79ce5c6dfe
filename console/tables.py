"""`penstock tables`: Bigtable tables of the hot path."""

import typer

from console.table_option import TableOption

__all__ = ["app", "create"]

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
