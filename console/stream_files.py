"""What `penstock generate` and `penstock publish` do."""

import json
import math
import os
import re
from pathlib import Path

from local.feature_rules import read_rules
from local.generate import generate, write_lines
from local.plan import Faults, Plan
from local.publish import publish, read_lines
from local.truth import Truth
from schemas.contract import load_contracts
from schemas.credentials import PUBSUB, require_credentials
from schemas.feature_set import load_features
from schemas.locations import expanded, write_problem

__all__ = ["check_topic", "send_stream", "write_stream"]

_TOPIC = re.compile(r"projects/[^/\s]+/topics/[^/\s]+")


def write_stream(
    output: Path,
    events: int,
    seed: int,
    truth: Path | None,
    clean: bool,
    contracts: str | None,
    features: str | None,
) -> str:
    """Write generated events, and the truth about them where it is asked for; return what was done.

    Raises:
        ValueError: one line that names the option and the remedy.
    """
    plan = Plan(events=events, seed=seed, faults=Faults.none() if clean else Faults())
    output = _writable("--output", output)
    truth = truth and _writable("--truth", truth)
    if truth is not None and truth.absolute() == output.absolute():
        msg = f"--truth {truth}: is the file of --output; name another"
        raise ValueError(msg)
    features = features and expanded(features)
    known_contracts = load_contracts(contracts and expanded(contracts))
    load_features(features, known_contracts)
    messages = generate(plan, known_contracts)
    if truth is None:
        count = write_lines(messages, output)
    else:
        known = Truth(read_rules(features, known_contracts), batch=True)
        count = write_lines(iter(known.watch(messages)), output)
        truth.write_text(json.dumps(known.document()) + "\n")
    return f"{count} events in {output}"


def send_stream(topic: str, file: Path, rate: float | None) -> str:
    """Publish the lines of a file; return what was done.

    Raises:
        ValueError: one line that names the option and the remedy.
    """
    file = _readable(file)
    _check_target(topic, rate)
    require_credentials(f"--topic {topic}", PUBSUB)
    done = publish(topic, read_lines(file), rate)
    return f"{done.messages} messages published to {topic} in {done.seconds:.1f} s"


def _readable(path: Path) -> Path:
    file = Path(expanded(str(path)))
    if not file.is_file():
        there = "a folder, not a file" if file.is_dir() else "no such file"
        msg = f"--input {file}: {there}; name a file with one event a line"
        raise ValueError(msg)
    return file


def check_topic(topic: str) -> None:
    """Raise `ValueError`, in one line with the remedy, where the name of a topic is not whole."""
    if not _TOPIC.fullmatch(topic):
        msg = f"--topic {topic}: write projects/PROJECT/topics/TOPIC"
        raise ValueError(msg)


def _check_target(topic: str, rate: float | None) -> None:
    check_topic(topic)
    if rate is not None and not 0 < rate < math.inf:
        msg = f"--rate {rate}: give a number of messages a second above 0, or leave it out"
        raise ValueError(msg)


def _writable(option: str, path: Path) -> Path:
    place = Path(expanded(str(path)))
    problem = write_problem(str(place), is_file=True)
    if problem is None and not place.absolute().parent.is_dir():
        problem = "its folder does not exist; create it, or name another"
    # A file is written in place, so it is itself that must be open to this.
    if problem is None and place.exists() and not os.access(place, os.W_OK):
        problem = "cannot be written: no permission; grant it, or name another"
    if problem is not None:
        msg = f"{option} {path}: {problem}"
        raise ValueError(msg)
    return place
