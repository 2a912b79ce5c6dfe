"""`penstock generate` and `penstock publish`."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["generate", "publish"]


def generate(
    output: Annotated[Path, typer.Option(help="file for the events, one JSON line each")],
    events: Annotated[int, typer.Option(help="how many lines", min=1)] = 10_000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same bytes")] = 0,
    truth: Annotated[Path | None, typer.Option(help="file for what must come of them")] = None,
    clean: Annotated[bool, typer.Option("--clean", help="without any fault")] = False,
    contracts: Annotated[str | None, typer.Option(help="folder of contracts")] = None,
    features: Annotated[str | None, typer.Option(help="folder or file of features")] = None,
) -> None:
    """Write a seeded stream of events with faults, and the truth about it.

    Example: penstock generate --events 10000 --output events.ndjson --truth truth.json
    """
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from console.stream_files import write_stream  # noqa: PLC0415

    typer.echo(write_stream(output, events, seed, truth, clean, contracts, features))


def publish(
    topic: Annotated[str, typer.Option(help="projects/P/topics/T")],
    input_: Annotated[Path, typer.Option("--input", help="one event a line")],
    rate: Annotated[
        float | None, typer.Option(help="messages a second, by default as fast as it goes")
    ] = None,
) -> None:
    """Publish the lines of a file as messages.

    Example: penstock publish --topic projects/p/topics/events --input events.ndjson --rate 500
    """
    from console.stream_files import send_stream  # noqa: PLC0415

    typer.echo(send_stream(topic, input_, rate))
