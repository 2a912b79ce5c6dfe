"""`penstock features`: what a row says."""

from typing import Annotated, TypeAlias

import typer

from console.table_option import TableOption

__all__ = ["app", "get"]

app = typer.Typer(
    help="Features as a reader sees them.", no_args_is_help=True, rich_markup_mode=None
)

KeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--pseudonym_key",
        "--pseudonym-key",
        help="where the key of pseudonyms is, or the ring of keys",
    ),
]


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
    pseudonym_key: KeyOption = None,
) -> None:
    """Read one row and fold its tiles into the spans asked for.

    Prints JSON: last values by name, and each feature by span. With --pseudonym_key USER is the id
    as events carry it, and "rows" has the rows of that person, one for each key of a ring that has
    one: each holds what was published while its key was in force.

    Example: penstock features get u000001 --at 2026-01-05T12:00:00Z
    """
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from console.feature_reading import read_features  # noqa: PLC0415

    place = bigtable_table, features, contracts, pseudonym_key
    typer.echo(read_features(identifier, at, entity, spans, *place))
