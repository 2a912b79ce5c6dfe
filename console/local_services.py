"""`penstock up` and `penstock demo`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local.binaries import prism_binary
from local.services import ALL, LocalServices, MissingServiceError, serve_until_interrupted
from local.toolchains import python_environment

__all__ = ["demo", "up"]


def up() -> None:
    """Run Bigtable, Pub/Sub, Cloud Storage and BigQuery on this machine until Ctrl-C.

    Prints the variables by which clients find them; paste the lines into another shell. BigQuery
    needs Python >= 3.11; without one the others are run.

    Example: penstock up
    """
    typer.echo(f"export PENSTOCK_PRISM='{prism_binary()}'")
    serve_until_interrupted(typer.echo, LocalServices(_obtainable()))


def _obtainable() -> list[str]:
    """Return the services that can be run here: all of them where there is a Python for each."""
    try:
        python_environment("bigquery")
    except MissingServiceError as error:
        typer.echo(f"without BigQuery: {error}", err=True)
        return [name for name in ALL if name != "bigquery"]
    return list(ALL)


def demo(
    events: Annotated[int, typer.Option(help="how many messages to publish", min=100)] = 4_000,
    seed: Annotated[int, typer.Option(help="another seed, another story")] = 7,
    report: Annotated[
        Path, typer.Option(help="where the report is written: one HTML page", show_default=True)
    ] = Path("penstock-report.html"),
) -> None:
    """Run all jobs at once on events with faults, kill one, check everything, write a report.

    The status is 1 where a check does not hold.

    Example: penstock demo --events 2000 --seed 3 --report demo.html
    """
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from local.demo import run_demo  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True, markup=False)
    if not console.is_terminal:
        right = run_demo(events, seed, report, typer.echo)
    else:
        # A terminal shows that the job is alive between two lines.
        with console.status("working"):
            right = run_demo(events, seed, report, console.print)
    if not right:
        raise typer.Exit(1)
