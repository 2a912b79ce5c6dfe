"""`penstock up` and `penstock demo`."""

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
    events: Annotated[int, typer.Option(help="how many messages to publish", min=100)] = 20_000,
    seed: Annotated[int, typer.Option(help="another seed, another story")] = 7,
) -> None:
    """Publish events with faults, run the hot path on them, and check every row.

    Example: penstock demo --events 5000 --seed 3
    """
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from local.demo import run_demo  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True, markup=False)
    if not console.is_terminal:
        right = run_demo(events, seed, typer.echo)
    else:
        # A terminal shows that the job is alive between two lines.
        with console.status("working"):
            right = run_demo(events, seed, console.print)
    if not right:
        raise typer.Exit(1)
