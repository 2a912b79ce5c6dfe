"""What the command lines of all jobs have in common."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions

from schemas.durations import parse_duration

__all__ = [
    "Arguments",
    "UsageError",
    "default_runner",
    "duration",
    "exit_status",
    "flag",
    "parse_options",
    "required",
    "text",
]

_FAILURE = re.compile(
    r"(?:SubscriptionError|NothingWrittenError|ObjectStoreError|PseudonymError|"
    r"UnreadableFileError): "
    r"(.+?)(?= \[while running|\\n|\n|$)"
)
_RUNNERS_WITH_OPTIONS_OF_THEIR_OWN = ("PortableRunner", "FlinkRunner", "SparkRunner")


class UsageError(ValueError):
    """The options contradict each other or the world: one line that names option and remedy."""


class Arguments(argparse.ArgumentParser):
    """A parser that raises `UsageError` instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong."""
        raise UsageError(message)


def text(value: object) -> str | None:
    """Return an option's text; templates hand over "" for what is unset."""
    return str(value) if value not in (None, "") else None


def required(name: str, value: object, remedy: str) -> str:
    """Return an option's text, or raise with the remedy where it is unset."""
    given = text(value)
    if given is None:
        msg = f"--{name} is missing: {remedy}"
        raise UsageError(msg)
    return given


def duration(name: str, value: object, default: str) -> int:
    """Return an option's length of time in microseconds."""
    try:
        return parse_duration(text(value) or default)
    except ValueError as error:
        msg = f"--{name}: {error}"
        raise UsageError(msg) from None


def flag(name: str, value: object) -> bool:
    """Return a yes or no; templates hand it over as text."""
    given = (text(value) or "false").lower()
    if given not in ("true", "false"):
        msg = f"--{name}={given}: write true or false"
        raise UsageError(msg)
    return given == "true"


def parse_options(argv: Sequence[str], own: type[PipelineOptions], usage: str) -> PipelineOptions:
    """Parse a command line; an option that neither the job nor Beam knows is refused.

    `--help` prints the job's own options and leaves. Nothing of the main module is pickled: workers
    import the installed package.

    Raises:
        UsageError: an unknown option, or a value that its option does not take.
    """
    helped = Arguments(usage=usage, epilog="Beam's own options are understood as well.")
    own._add_argparse_args(helped)
    helped.parse_known_args([item for item in argv if item in ("-h", "--help")])
    _refuse_unknown(argv)
    options = PipelineOptions(list(argv))
    options.view_as(SetupOptions).save_main_session = False
    return options


def _refuse_unknown(argv: Sequence[str]) -> None:
    parser = Arguments(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    for option in PipelineOptions.__subclasses__():
        option._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(argv))
    runner = next((item.partition("=")[2] for item in argv if item.startswith("--runner=")), "")
    if unknown and runner not in _RUNNERS_WITH_OPTIONS_OF_THEIR_OWN:
        msg = f"{unknown[0]}: no such option; --help lists them"
        raise UsageError(msg)


def default_runner(options: PipelineOptions, name: str) -> None:
    """Name the engine where the user named none: Beam would choose one silently."""
    if not options.view_as(StandardOptions).runner:
        options.view_as(StandardOptions).runner = name


def exit_status(run: Callable[[Sequence[str]], None], argv: Sequence[str]) -> int:
    """Run a job and return its exit status: 0, 1 if it failed, 2 for a user's mistake.

    Mistakes, and failures that the suite knows, are one line. Any other error is raised as it is:
    it is a defect and needs its trace.
    """
    try:
        run(argv)
    except (ValueError, OSError) as error:
        return _say(str(error), 2)
    except RuntimeError as error:
        failure = _failure(error)
        if failure is None:
            raise
        return _say(failure, 1)
    return 0


def _failure(error: RuntimeError) -> str | None:
    """Return the line of a known failure from what an engine made of it."""
    found = _FAILURE.findall(f"{type(error).__name__}: {error}")
    return str(found[-1]) if found else None


def _say(message: str, status: int) -> int:
    sys.stderr.write(" ".join(message.split()) + "\n")
    return status
