"""Fuzz targets of command lines: what jobs make of their options, and whole lists of words."""

import functools
import importlib
import io
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from random import Random
from typing import Any
from unittest import mock

from google.auth.exceptions import DefaultCredentialsError

from chaos.fuzz_mutations import mutate_bytes, mutate_lines, one_of
from chaos.fuzz_target import Target, promise, promise_one_line
from pipelines.job import Job
from pipelines.on_dataflow import as_typed
from pipelines.option_words import DeclaredOption, declared_options
from pipelines.options import UsageError, parse_options
from schemas import credentials

__all__ = ["COMMAND_LINES", "OPTIONS"]

_JOBS = (
    "archive_raw", "audit", "compact_archive", "curate_events", "fill_from_drift", "hot_path",
    "recompute_windows", "release_quarantine", "window_metrics",
)  # fmt: skip
_HOSTILE = (
    "", " ", "0", "-1", "1", "1e3", "0x10", "1" * 5_000, "99999999999999999999", "\u0663", "NaN",
    "5m", "1h", "0s", "999999999d", "0.0000001s", "1970-01-01T00:00:00Z", "2026-01-31",
    "2026-01-31T12:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "true",
    "TRUE", "no", "all", "beginning", "gs://", "gs://b", "gs://b/c", "gs:///x", "file:", "file:~/k",
    "env:", "env:NAME", "~", "~nobody-of-that-name/x", "a\x00b", "a\nb", "\ud800", "../..", "/",
    "projects/p/subscriptions/s", "projects/p/topics/t", "projects/p/instances/i/tables/t",
    "p:d.t", "p.d", "1KB", "10GB", "1 TB", "s3://b/x", "hdfs://x", "*", "[", "a,b", "upsert",
    "repair", "portable", "zstd", "*.ndjson",
)  # fmt: skip
_EMULATOR = "_EMULATOR_HOST"
_OTHER_WORDS = ("--runner=", "--help", "-h", "--no", "--", "-", "--input", "--sdk_location=a")


@functools.cache
def _job(name: str) -> Job:
    job: Job = importlib.import_module(f"pipelines.{name}").JOB
    return job


@functools.cache
def _declared(name: str) -> Mapping[str, DeclaredOption]:
    return {option.name: option for option in declared_options(_job(name).options)}


class _Given:
    """Options as the view of whichever class asks for them, which costs a parser each time."""

    def __init__(self, values: Mapping[str, str | None]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)

    def view_as(self, _: object) -> "_Given":
        """Return itself."""
        return self


def _taken_apart(data: bytes) -> tuple[str, list[str]] | None:
    """Return the job of the first line, and the words of the others; None: there is no such job."""
    name, *words = data.decode("utf-8", "replace").split("\n")
    return (name, words) if name in _JOBS else None


def _check_options(data: bytes) -> None:
    found = _taken_apart(data)
    if found is None:
        return
    name, words = found
    values: dict[str, str | None] = dict.fromkeys(_declared(name))
    given = (word.removeprefix("--").partition("=") for word in words if word.startswith("--"))
    known = {option: value for option, _, value in given if option in values}
    _refused_or_taken(name, _Given({**values, **known}))


def _refused_or_taken(name: str, given: Any) -> None:
    try:
        with _logged_out():
            config = _job(name).configure(given)
    except ValueError as refused:
        _promise_usage(refused)
        return
    promise(config is not None, "options that are taken are a configuration")
    repr(config)


@contextmanager
def _logged_out() -> Iterator[None]:
    """Be a machine where nobody has logged in: declarations in a bucket are not asked for."""
    others = {name: each for name, each in os.environ.items() if not name.endswith(_EMULATOR)}
    with (
        mock.patch.object(credentials, "_find", _nobody),
        mock.patch.dict(os.environ, others, clear=True),
    ):
        yield


def _nobody() -> None:
    raise DefaultCredentialsError


def _promise_usage(refused: ValueError) -> None:
    """A mistake is told in one line that names it; a subclass of Python's is no such line."""
    kind = type(refused)
    promise(kind is ValueError or kind.__module__.partition(".")[0] in _OURS, "a mistake is told")
    promise_one_line(ValueError(" ".join(str(refused).split())))


_OURS = ("pipelines", "schemas", "transforms")


def _check_words(data: bytes) -> None:
    found = _taken_apart(data)
    if found is None:
        return
    name, words = found
    job = _job(name)
    try:
        # Help is printed.
        with redirect_stdout(io.StringIO()):
            options = parse_options(as_typed(words, job.options), job.options, job.usage)
    except UsageError as refused:
        _promise_usage(refused)
        return
    except SystemExit as left:
        promise(left.code in (0, None), "only help leaves, and well")
        promise(any(_asks_for_help(word) for word in words), "nobody asked for help")
        return
    _refused_or_taken(name, options)


def _asks_for_help(word: str) -> bool:
    return word.startswith("-h") or (word.startswith("--h") and "--help".startswith(word))


def _seeds() -> Iterator[bytes]:
    """Yield for each job what it needs, and then each other option with its example."""
    for name in _JOBS:
        options = list(_declared(name).values())
        needed = [_word(option) for option in options if option.words.needed]
        yield "\n".join([name, *needed]).encode()
        for first in range(0, len(options), 6):
            some = [_word(option) for option in options[first : first + 6]]
            yield "\n".join([name, *dict.fromkeys([*needed, *some])]).encode()
    archive = ["--input_archive=a", "--from=2026-01-01T00:00:00Z", "--to=2026-01-02T00:00:00Z"]
    yield "\n".join(["hot_path", *archive, "--cells_output=c", "--quarantine_output=q"]).encode()
    yield b"hot_path\n--input_files=e/*.ndjson\n--cells_output=c\n--quarantine_output=q"


def _word(option: DeclaredOption) -> str:
    return f"--{option.name}={option.words.example}"


def _mutate(data: bytes, random: Random) -> bytes:
    found = _taken_apart(data)
    if found is None:
        return random.choice(_JOBS).encode() + b"\n" + data
    name, words = found
    options = list(_declared(name).values())
    way = random.randrange(6)
    if way == 0 and words:
        del words[random.randrange(len(words))]
    elif way == 1:
        words.append(_word(random.choice(options)))
    elif way == 2 and words:
        place = random.randrange(len(words))
        words[place] = f"{words[place].partition('=')[0]}={_value(options, random)}"
    elif way == 3:
        words.append(random.choice((*_OTHER_WORDS, shlex.quote(random.choice(_HOSTILE)))))
    elif way == 4:
        name = random.choice(_JOBS)
    else:
        words.append(f"--{random.choice(options).name}={_value(options, random)}")
    return "\n".join([name, *words]).encode("utf-8", "replace")


def _value(options: Sequence[DeclaredOption], random: Random) -> str:
    words = random.choice(options).words
    return str(random.choice((*words.choices, words.example, words.default, *_HOSTILE)))


OPTIONS = Target(
    "options",
    "a job takes its options, or refuses them in one line that says why",
    _check_options,
    _seeds,
    one_of((6, _mutate), (1, mutate_lines), (1, mutate_bytes)),
    weight=14,
    max_bytes=8_192,
)
COMMAND_LINES = Target(
    "command_lines",
    "words are a job's options, refused in one line, or ask for help",
    _check_words,
    _seeds,
    one_of((6, _mutate), (1, mutate_lines), (1, mutate_bytes)),
    weight=3,
    max_bytes=8_192,
)
