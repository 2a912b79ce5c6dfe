"""What the command lines of all jobs have in common."""

import argparse
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions

from pipelines.failures import known_failure, only_their_line
from schemas.durations import format_duration, parse_duration
from schemas.locations import expanded
from schemas.times import format_rfc3339, parse_rfc3339

__all__ = [
    "Arguments",
    "UsageError",
    "add_options",
    "count",
    "default_runner",
    "duration",
    "exit_status",
    "flag",
    "moment",
    "one_of",
    "parse_options",
    "path",
    "refuse_idle",
    "required",
    "runs_here",
    "subscription",
    "text",
]

# A century: what is added to any time of an event must stay a time.
_LONGEST = 36_500 * 86_400_000_000
_MOST = 2**31 - 1
_MOST_DIGITS = 100
_SUBSCRIPTION = re.compile(r"projects/[^/]+/subscriptions/[^/]+")
_BARE_FLAGS = ("--dry_run",)
_IN_A_STEP = "[while running"
_RUNNERS_WITH_OPTIONS_OF_THEIR_OWN = ("PortableRunner", "FlinkRunner", "SparkRunner")
_RUNNERS_ELSEWHERE = (*_RUNNERS_WITH_OPTIONS_OF_THEIR_OWN, "DataflowRunner")


class UsageError(ValueError):
    """The options contradict each other or the world: one line that names option and remedy."""


class Arguments(argparse.ArgumentParser):
    """A parser that raises `UsageError` instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong."""
        raise UsageError(message)


def add_options(parser: argparse.ArgumentParser, groups: Mapping[str, Mapping[str, str]]) -> None:
    """Add options by the title of their group, each with its words for `--help`.

    Beam puts the options of all jobs that a process has imported into one parser. Where another job
    has one of the same name, that is the same: a text.
    """
    for title, options in groups.items():
        group = parser.add_argument_group(title)
        for name, words in options.items():
            if f"--{name}" not in parser._option_string_actions:
                group.add_argument(f"--{name}", help=words)


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


def path(value: object) -> str | None:
    """Return a path that an option names, local with its `~` expanded, or remote."""
    given = text(value)
    return given and expanded(given)


def duration(name: str, value: object, default: str) -> int:
    """Return an option's length of time in microseconds."""
    try:
        length = parse_duration(text(value) or default)
    except ValueError as error:
        msg = f"--{name}: {error}"
        raise UsageError(msg) from None
    if length > _LONGEST:
        msg = f"--{name}={value}: give at most {format_duration(_LONGEST)}"
        raise UsageError(msg)
    return length


def count(name: str, value: object, default: int, most: int = _MOST) -> int:
    """Return an option's whole number, at least 1."""
    given = text(value) or str(default)
    # Python reads no number of thousands of digits.
    digits = given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS
    if not digits or not 1 <= int(given) <= most:
        msg = f"--{name}={given}: write a whole number of at least 1 and at most {most}"
        raise UsageError(msg)
    return int(given)


def moment(name: str, value: object) -> int | None:
    """Return an option's moment in microseconds, None where it is unset."""
    given = text(value)
    if given is None:
        return None
    try:
        found = parse_rfc3339(given)
        # West of Greenwich the last day of the year 9999 has no UTC form; the first of year 1 east.
        format_rfc3339(found)
    except (ValueError, OverflowError):
        msg = f"--{name}={given}: write an RFC 3339 time with offset, such as 2026-01-31T12:00:00Z"
        raise UsageError(msg) from None
    return found


def subscription(value: object) -> str | None:
    """Return the full name of a subscription, None where it is unset."""
    given = text(value)
    if given is not None and not _SUBSCRIPTION.fullmatch(given):
        msg = f"--input_subscription={given}: write projects/.../subscriptions/..."
        raise UsageError(msg)
    return given


def one_of(name: str, value: object, allowed: Collection[str], default: str) -> str:
    """Return an option's value, which must be one of some."""
    given = text(value) or default
    if given not in allowed:
        msg = f"--{name}={given}: write {', '.join(allowed)}"
        raise UsageError(msg)
    return given


def refuse_idle(given: PipelineOptions, only_with: Mapping[str, Sequence[str]]) -> None:
    """Refuse options that would silently do nothing: each goes with the one that needs it."""
    for needed, names in only_with.items():
        idle = next((name for name in names if text(getattr(given, name))), None)
        if idle and not text(getattr(given, needed)):
            msg = f"--{idle} goes with --{needed}: leave it out, or name one"
            raise UsageError(msg)


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
        UsageError: an unknown option, a value that its option does not take, or one of the job's
            own options twice, of which argparse would silently take the last.
    """
    helped = Arguments(usage=usage, epilog="Beam's own options are understood as well.")
    own._add_argparse_args(helped)
    helped.parse_known_args([item for item in argv if item in ("-h", "--help")])
    argv = _spelled_out(argv)
    _refuse_unknown(argv, own)
    _refuse_repeated(argv, own)
    options = PipelineOptions(argv)
    options.view_as(SetupOptions).save_main_session = False
    return options


def _spelled_out(argv: Sequence[str]) -> list[str]:
    """Give the flags that people write without a value theirs; all options are texts."""
    bare = [
        item in _BARE_FLAGS and (not following or following[0].startswith("--"))
        for item, following in ((item, argv[n + 1 : n + 2]) for n, item in enumerate(argv))
    ]
    return [f"{item}=true" if alone else item for item, alone in zip(argv, bare, strict=True)]


def _refuse_unknown(argv: Sequence[str], own: type[PipelineOptions]) -> None:
    parser = Arguments(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    for option in PipelineOptions.__subclasses__():
        # Those of another job may be imported as well, and would be taken and do nothing.
        if option is own or not option.__module__.startswith("pipelines."):
            option._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(argv))
    runner = next((item.partition("=")[2] for item in argv if item.startswith("--runner=")), "")
    if unknown and runner not in _RUNNERS_WITH_OPTIONS_OF_THEIR_OWN:
        msg = f"{unknown[0]}: no such option; --help lists them"
        raise UsageError(msg)


def _refuse_repeated(argv: Sequence[str], own: type[PipelineOptions]) -> None:
    parser = Arguments(add_help=False)
    own._add_argparse_args(parser)
    given = [item.partition("=")[0] for item in argv]
    for name in vars(parser.parse_args([])):
        if given.count(f"--{name}") > 1:
            msg = f"--{name} is given twice; give it once"
            raise UsageError(msg)


def default_runner(options: PipelineOptions, name: str) -> None:
    """Name the engine where the user named none: Beam would choose one silently."""
    if not options.view_as(StandardOptions).runner:
        options.view_as(StandardOptions).runner = name


def runs_here(runner: str) -> bool:
    """Return whether an engine does its work on this machine, with its files and credentials."""
    return runner.rpartition(".")[2] not in _RUNNERS_ELSEWHERE


def exit_status(run: Callable[[Sequence[str]], None], argv: Sequence[str] | None) -> int:
    """Run a job and return its exit status: 0, 1 if it failed, 2 for a user's mistake, 130: Ctrl-C.

    Without arguments it takes those of the process, which is to end then. Mistakes, and failures
    that the suite knows, are one line. Any other error is raised as it is: it is a defect and needs
    its trace.
    """
    try:
        with only_their_line(for_good=argv is None):
            run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return _say("stopped", 130)
    except (ValueError, OSError, RuntimeError) as error:
        # What a step raised is no mistake on the command line, whatever its type.
        if not isinstance(error, RuntimeError) and _IN_A_STEP not in str(error):
            return _say(str(error), 2)
        failure = known_failure(error)
        if failure is None:
            raise
        return _say(failure, 1)
    return 0


def _say(message: str, status: int) -> int:
    sys.stderr.write(" ".join(message.split()) + "\n")
    return status
