"""`penstock tables`: the Bigtable tables of the hot path, and the tables and views of BigQuery."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from console.printing import print_lines, say
from console.table_option import TableOption

if TYPE_CHECKING:
    from console.bigquery_tables import Asked

__all__ = ["app", "apply", "compact", "create", "diff"]

_HELP = "Tables: Bigtable's of the hot path; with --project, BigQuery's tables and views."

app = typer.Typer(help=_HELP, no_args_is_help=True, rich_markup_mode=None)

_Project: TypeAlias = Annotated[
    str, typer.Option(help="project of BigQuery: the command is about its tables and views")
]
_Prefix: TypeAlias = Annotated[
    str, typer.Option(help="stands before the name of each dataset, such as dev_")
]
_Location: TypeAlias = Annotated[
    str | None,
    typer.Option(help="of new datasets, such as EU; by default where the others are, else US"),
]
_Contracts: TypeAlias = Annotated[str | None, typer.Option(help="folder of contracts")]
_Metrics: TypeAlias = Annotated[str | None, typer.Option(help="folder or file of metrics")]


@app.callback()
def _group() -> None:
    """Tables: Bigtable's of the hot path; with --project, BigQuery's tables and views."""


@app.command()
def create(
    context: typer.Context,
    bigtable_table: TableOption = "",
    project: _Project = "",
    prefix: _Prefix = "",
    location: _Location = None,
    contracts: _Contracts = None,
    metrics: _Metrics = None,
    primary_keys: Annotated[
        bool,
        typer.Option(
            "--primary-keys",
            "--primary_keys",
            help="declare the keys to BigQuery, which believes them unchecked: only where nothing"
            " but load jobs write, or queries may be answered wrongly",
        ),
    ] = False,
) -> None:
    """Create a Bigtable table for the hot path, or what is missing of BigQuery's tables and views.

    With --project: the datasets, tables and views of all contracts and metrics. What is there
    already is left as it is.

    Example: penstock tables create --bigtable_table=projects/p/instances/i/tables/features

    Example: penstock tables create --project=my-project --prefix=dev_ --location=EU
    """
    if not project:
        _create_bigtable(bigtable_table)
        return
    # A name in PENSTOCK_TABLE is there for other commands.
    source = context.get_parameter_source("bigtable_table")
    if source is not None and source.name == "COMMANDLINE":
        msg = "--project and --bigtable_table: they name tables of two services; give one"
        raise ValueError(msg)
    # By the call: the clients take seconds to import, and help needs none of them.
    from console.bigquery_tables import create_tables  # noqa: PLC0415

    asked = _asked(project, prefix, location, contracts, metrics, primary_keys=primary_keys)
    print_lines(create_tables(asked))


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="a table, or a place of cell lines")] = "",
    b: Annotated[str, typer.Argument(metavar="B", help="what to compare it with")] = "",
    sample: Annotated[int, typer.Option(min=0, help="row keys to show of each difference")] = 5,
    features: Annotated[str | None, typer.Option(help="folder or file of features")] = None,
    contracts: _Contracts = None,
    project: _Project = "",
    prefix: _Prefix = "",
    metrics: _Metrics = None,
) -> None:
    """Say what differs between two tables of Bigtable, or between BigQuery and what is declared.

    A and B are tables, projects/P/instances/I/tables/T, or files and folders that --cells_output
    wrote, local or gs://. Of each last value the newest cell counts, of each tile the highest
    version. Status 0: nothing differs; 1: something does; 2: they cannot be compared.

    With --project instead of A and B: what is missing or differs of the tables and views of all
    contracts and metrics, and what can be done about it; the same status.

    Example: penstock tables diff projects/p/instances/i/tables/live gs://bucket/shadow/cells

    Example: penstock tables diff --project=my-project --prefix=dev_
    """
    if bool(project) == bool(a or b) or bool(a) != bool(b):
        msg = "name two tables of Bigtable, A and B, or --project for those of BigQuery"
        raise ValueError(msg)
    if project:
        # By the call, here and below: the clients take seconds to import, and help needs none.
        from console.bigquery_tables import compare_tables  # noqa: PLC0415

        lines, is_different = compare_tables(_asked(project, prefix, None, contracts, metrics))
        print_lines(lines)
    else:
        from console.table_diff import diff_tables  # noqa: PLC0415

        report, is_different = diff_tables(a, b, sample, features, contracts)
        typer.echo(report)
    if is_different:
        raise typer.Exit(1)


@app.command()
def apply(
    project: _Project,
    prefix: _Prefix = "",
    location: _Location = None,
    contracts: _Contracts = None,
    metrics: _Metrics = None,
) -> None:
    """Bring the tables and views of BigQuery to what is declared, as far as nothing is lost.

    Creates what is missing; adds columns that can be null or are lists; sets descriptions and the
    queries of views. If anything else differs, nothing at all is done, and the status is 1.

    Example: penstock tables apply --project=my-project --prefix=dev_ --contracts=gs://bucket/set
    """
    # By the call: the clients take seconds to import, and help needs none of them.
    from console.bigquery_tables import apply_tables  # noqa: PLC0415

    lines, is_done = apply_tables(_asked(project, prefix, location, contracts, metrics))
    print_lines(lines)
    if not is_done:
        say("nothing was applied: what is refused above is to be mended first")
        raise typer.Exit(1)


@app.command()
def compact(
    project: _Project,
    first: Annotated[str, typer.Option("--from", help="first day of the events, as 2026-01-31")],
    end: Annotated[str, typer.Option("--to", help="the day after the last one")],
    prefix: _Prefix = "",
    contracts: _Contracts = None,
) -> None:
    """Leave one row for each event in the curated tables of BigQuery, where more were written.

    It is the one that the `_current` view shows, in one statement for each month of days. Days that
    rows were inserted into within the last half hour are refused by BigQuery: they are still open.

    Example: penstock tables compact --project=my-project --from=2026-01-01 --to=2026-02-01
    """
    # By the call: the clients take seconds to import, and help needs none of them.
    from console.compact_tables import compact_tables  # noqa: PLC0415
    from schemas.table_names import Datasets  # noqa: PLC0415

    print_lines(compact_tables(Datasets(project, prefix), contracts, first, end))


def _create_bigtable(bigtable_table: str) -> None:
    if not bigtable_table:
        msg = "--bigtable_table is missing, or --project for the tables of BigQuery"
        raise ValueError(msg)
    from console.new_table import new_table  # noqa: PLC0415

    typer.echo(new_table(bigtable_table))


def _asked(
    project: str,
    prefix: str,
    location: str | None,
    contracts: str | None,
    metrics: str | None,
    *,
    primary_keys: bool = False,
) -> "Asked":
    from console.bigquery_tables import Asked  # noqa: PLC0415

    return Asked(project, prefix, location, contracts, metrics, primary_keys)
