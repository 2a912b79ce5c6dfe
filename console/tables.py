"""`penstock tables`: Bigtable tables of the hot path."""

import typer
from google.api_core.exceptions import AlreadyExists

from console.table_option import TableOption
from local.tables import create_table
from schemas.bigtable_table import FAMILIES, TableName

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
    name = TableName.parse(bigtable_table)
    try:
        create_table(name)
    except AlreadyExists:
        msg = f"table {name} exists already; choose another name, or use it as it is"
        raise ValueError(msg) from None
    families = ", ".join(family.name for family in FAMILIES)
    typer.echo(f"created {name} with the families {families}")
