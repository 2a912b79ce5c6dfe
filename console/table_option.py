"""The option that names a Bigtable table, the same in every command."""

from typing import Annotated, TypeAlias

import typer

__all__ = ["TableOption"]

TableOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--bigtable_table",
        "--bigtable-table",
        envvar="PENSTOCK_TABLE",
        help="projects/P/instances/I/tables/T",
    ),
]
