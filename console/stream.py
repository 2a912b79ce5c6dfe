"""`penstock generate` and `penstock publish`."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from local.feature_rules import read_rules
from local.generate import generate as generated
from local.generate import write_lines
from local.plan import Faults, Plan
from local.publish import publish as published
from local.publish import read_lines
from local.truth import Truth
from schemas.contract import load_contracts
from schemas.feature_set import load_features

__all__ = ["generate", "publish"]

_TOPIC = re.compile(r"projects/[^/\s]+/topics/[^/\s]+")


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
    plan = Plan(events=events, seed=seed, faults=Faults.none() if clean else Faults())
    if not output.absolute().parent.is_dir():
        msg = f"--output {output}: its folder does not exist; create it, or name another"
        raise ValueError(msg)
    known_contracts = load_contracts(contracts)
    load_features(features, known_contracts)
    messages = generated(plan, known_contracts)
    if truth is None:
        count = write_lines(messages, output)
    else:
        known = Truth(read_rules(features, known_contracts), batch=True)
        count = write_lines(iter(known.watch(messages)), output)
        truth.write_text(json.dumps(known.document()) + "\n")
    typer.echo(f"{count} events in {output}")


def publish(
    topic: Annotated[str, typer.Option(help="projects/P/topics/T")],
    input_: Annotated[
        Path, typer.Option("--input", exists=True, dir_okay=False, help="one event a line")
    ],
    rate: Annotated[
        float | None, typer.Option(help="messages a second, by default as fast as it goes")
    ] = None,
) -> None:
    """Publish the lines of a file as messages.

    Example: penstock publish --topic projects/p/topics/events --input events.ndjson --rate 500
    """
    if not _TOPIC.fullmatch(topic):
        msg = f"--topic {topic}: write projects/PROJECT/topics/TOPIC"
        raise ValueError(msg)
    done = published(topic, read_lines(input_), rate)
    typer.echo(f"{done.messages} messages published to {topic} in {done.seconds:.1f} s")
