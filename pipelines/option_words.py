"""What an option is: its words for `--help`, and what the form of a template asks beside them."""

import argparse
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from apache_beam.options.pipeline_options import PipelineOptions

__all__ = ["DeclaredOption", "Form", "Kind", "Words", "declared_options"]


class Form(NamedTuple):
    """How a form asks for a value: Dataflow's type of parameter, what is allowed, an example."""

    param_type: str
    regex: str
    example: str


class Kind(Enum):
    """What a value is, as Dataflow's forms know it; the job checks it again.

    Workers see no folder of this machine, so a form takes paths of Cloud Storage only, and of keys
    those in Secret Manager. A file or a folder is of declarations, which the launch alone reads.
    """

    TEXT = Form("TEXT", "", "")
    FLAG = Form("BOOLEAN", "[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]", "true")
    CHOICE = Form("ENUM", "", "")
    COUNT = Form("NUMBER", "[0-9]{1,100}", "16")
    DURATION = Form("TEXT", r"[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h|d)?", "90s")
    SIZE = Form("TEXT", r"[0-9]{1,15}(\.[0-9]{1,6})? ?([Bb]|[KMGTkmgt][Ii]?[Bb])?", "128MB")
    MOMENT = Form(
        "TEXT",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
        r"([Zz]|[+-][0-9]{2}:?[0-9]{2})",
        "2026-01-31T12:00:00Z",
    )
    FILES = Form("GCS_READ_FILE", r"gs://[^\n\r]+", "gs://my-bucket/events/*.ndjson")
    FOLDER = Form("GCS_READ_FOLDER", r"gs://[^\n\r]+", "gs://my-bucket/folder")
    FILE_OR_FOLDER = Form("TEXT", r"gs://[^\n\r]+", "gs://my-bucket/folder")
    OUTPUT_FILE = Form("GCS_WRITE_FILE", r"gs://[^\n\r]+", "gs://my-bucket/counters.json")
    OUTPUT_FOLDER = Form("GCS_WRITE_FOLDER", r"gs://[^\n\r]+", "gs://my-bucket/folder")
    SUBSCRIPTION = Form(
        "PUBSUB_SUBSCRIPTION",
        "projects/[^/]+/subscriptions/[^/]+",
        "projects/my-project/subscriptions/my-events",
    )
    BIGTABLE = Form(
        "TEXT",
        "projects/[^/]+/instances/[^/]+/tables/[-_.a-zA-Z0-9]{1,50}",
        "projects/my-project/instances/my-instance/tables/my-table",
    )
    ADDRESS = Form("TEXT", r"[a-zA-Z0-9.-]{1,253}:[0-9]{1,5}", "localhost:8097")
    PROJECT = Form("TEXT", "([a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", "my-project")
    SECRET = Form(
        "TEXT",
        "projects/[^/]+/secrets/[^/]+/versions/[^/]+",
        "projects/my-project/secrets/my-key/versions/1",
    )


class Words(str):
    """An option's words for `--help`, which know what else a form has to know of it.

    >>> Words("how late an event may be", Kind.DURATION, default="1d")
    'how late an event may be (default 1d)'

    Args:
        words: what it is.
        kind: of its value.
        default: what holds where it is unset, always and for whatever the other options are.
        example: of a value; by default the default, or that of its kind.
        choices: the values of `Kind.CHOICE`; the default stands first, if there is one.
        needed: whether no job can be launched without it.
        awaited: whether it does something at the end of a run, or instead of one: whoever launches
            a template does not wait for that.
    """

    kind: Kind
    default: str
    example: str
    choices: tuple[str, ...]
    needed: bool
    awaited: bool
    words: str

    def __new__(
        cls,
        words: str,
        kind: Kind = Kind.TEXT,
        *,
        default: str = "",
        example: str = "",
        choices: Sequence[str] = (),
        needed: bool = False,
        awaited: bool = False,
    ) -> "Words":
        """Make the words, with the default and the choices behind them."""
        told = super().__new__(cls, f"{words}{_behind(default, choices)}")
        told.words, told.kind, told.default = words, kind, default
        told.example = example or _usual(kind, default)
        told.choices, told.needed, told.awaited = tuple(choices), needed, awaited
        return told

    def __getnewargs__(self) -> tuple[str]:
        """Copies and pickles of options keep the text."""
        return (str(self),)

    def as_needed(self) -> "Words":
        """Return the same for a job that cannot be launched without it."""
        return Words(
            self.words,
            self.kind,
            default=self.default,
            example=self.example,
            choices=self.choices,
            needed=True,
            awaited=self.awaited,
        )


class DeclaredOption(NamedTuple):
    """An option as a job declares it, with the title of its group."""

    name: str
    group: str
    words: Words


def declared_options(own: type[PipelineOptions]) -> list[DeclaredOption]:
    """Return a job's own options in the order in which they are declared."""
    parser = argparse.ArgumentParser(add_help=False)
    own._add_argparse_args(parser)
    return list(_declared(parser))


def _declared(parser: argparse.ArgumentParser) -> Iterator[DeclaredOption]:
    for group in parser._action_groups:
        for action in group._group_actions:
            words = action.help or ""
            told = words if isinstance(words, Words) else Words(words)
            yield DeclaredOption(action.dest, group.title or "", told)


def _usual(kind: Kind, default: str) -> str:
    """Return an example of a value; of a yes or no it is the one that changes something."""
    if kind is Kind.CHOICE:
        return ""
    return kind.value.example if kind is Kind.FLAG else default or kind.value.example


def _behind(default: str, choices: Sequence[str]) -> str:
    if not choices:
        return f" (default {default})" if default else ""
    *some, last = (f"{each} (default)" if each == default else each for each in choices)
    return f": {', '.join(some)} or {last}" if some else f": {last}"
