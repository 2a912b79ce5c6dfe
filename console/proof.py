"""`penstock prove`."""

from typing import Annotated

import typer

__all__ = ["prove"]


def prove(
    events: Annotated[int, typer.Option(help="how many messages to publish", min=400)] = 1_500,
    seed: Annotated[int, typer.Option(help="another seed, another story")] = 7,
) -> None:
    """Prove on this machine that replay equals live.

    One stream with all faults goes five ways into Bigtable and into rows of BigQuery: live; from
    the archive; both interleaved; live, but killed and started anew; live with losses that a repair
    mends. Ends with one line, and leaves with 1 where anything differs. Takes one to four minutes.

    Example: penstock prove --events 2000 --seed 3
    """
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from local.prove import run_proof  # noqa: PLC0415

    if not run_proof(events, seed, typer.echo):
        raise typer.Exit(1)
