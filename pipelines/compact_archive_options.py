"""The options of compaction and the configuration they are parsed into, once."""

import argparse
import time
from dataclasses import dataclass, field

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.common_arguments import CODEC, OUTPUTS
from pipelines.option_words import Kind, Words
from pipelines.options import (
    UsageError,
    add_options,
    duration,
    flag,
    moment,
    one_of,
    path,
    required,
    text,
)
from schemas.archive_avro import CODECS
from schemas.archive_layout import HOUR
from schemas.compaction import Compaction
from schemas.durations import format_duration
from schemas.locations import is_remote, write_problem

__all__ = ["CompactArchiveConfig", "CompactArchiveOptions"]

_GROUPS = {
    "what is compacted": {
        "archive": Words(
            "the raw archive: its root or .../raw/events",
            Kind.FOLDER,
            example="gs://my-archive",
            needed=True,
        ),
        "source": Words("one source of it (default: all)", example="my-events"),
        "from": Words("first hour of publishing, RFC 3339 (default: the first)", Kind.MOMENT),
        "to": Words("hour at which to end (default: what is settled)", Kind.MOMENT),
        "settle": Words("how long ago an hour must have ended", Kind.DURATION, default="1h"),
    },
    "how": {
        "target_bytes": Words("size of an object", Kind.SIZE, default="128MB"),
        "codec": CODEC,
        "recompress": Words(
            "true: write objects of another codec again", Kind.FLAG, default="false"
        ),
        "grace": Words("how long what is replaced is kept", Kind.DURATION, default="1d"),
        "dry_run": Words(
            "true: print what would be done, and launch nothing",
            Kind.FLAG,
            default="false",
            awaited=True,
        ),
        "counters_output": OUTPUTS["counters_output"],
    },
}
# An object is in memory while it is written.
_SIZES = 1_000, 1_000_000_000
_SHORTEST_GRACE = 60_000_000


class CompactArchiveOptions(PipelineOptions):
    """Command line of compaction; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


@dataclass(frozen=True)
class CompactArchiveConfig:
    """The job's constants; times in microseconds.

    `first` and `last` bound the hours, the second is left out; None: not given. `hours` are those
    that the launch has found something to do in. The job reads no subscription and no files.
    """

    archive: str
    source: str | None
    first: int | None
    last: int | None
    settle: int
    how: Compaction
    dry_run: bool
    now: int
    counters_output: str | None
    hours: tuple[tuple[str, int], ...] = ()
    input_subscription: None = field(default=None, init=False)
    input_files: None = field(default=None, init=False)

    @classmethod
    def of(cls, options: PipelineOptions) -> "CompactArchiveConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(CompactArchiveOptions)
        dry_run = shared.dry_run(options)
        first, last = _hour("from", getattr(given, "from")), _hour("to", given.to)
        if first is not None and last is not None and last <= first:
            msg = f"--to={given.to}: give an hour after --from={getattr(given, 'from')}"
            raise UsageError(msg)
        if last is not None and text(given.settle):
            msg = "--settle goes without --to, which says where to end: leave one of them out"
            raise UsageError(msg)
        return cls(
            archive=_archive(given.archive, is_read_only=dry_run),
            source=shared.source("source", given.source) or None,
            first=first,
            last=last,
            settle=duration("settle", given.settle, "1h"),
            how=Compaction(
                target_bytes=shared.size("target_bytes", given.target_bytes, 128_000_000, *_SIZES),
                grace=_grace(given.grace),
                codec=one_of("codec", given.codec, CODECS, "zstd"),
                recompress=flag("recompress", given.recompress),
            ),
            dry_run=dry_run,
            now=time.time_ns() // 1000,
            counters_output=path(given.counters_output),
        )


def _archive(value: object, *, is_read_only: bool) -> str:
    given = required("archive", value, "name the raw archive, local or gs://")
    root = shared.archive("archive", given)
    problem = None if is_remote(root) or is_read_only else write_problem(root, is_file=False)
    if problem:
        msg = f"--archive={given}: {problem}"
        raise UsageError(msg)
    return root


def _hour(name: str, value: object) -> int | None:
    time_ = moment(name, value)
    if time_ is not None and time_ % HOUR:
        msg = f"--{name}={value}: hours are compacted whole; write one, as in 2026-01-31T12:00:00Z"
        raise UsageError(msg)
    return time_


def _grace(value: object) -> int:
    grace = duration("grace", value, "1d")
    if grace < _SHORTEST_GRACE:
        least = format_duration(_SHORTEST_GRACE)
        msg = f"--grace={value}: give at least {least}; who reads needs what it has planned to read"
        raise UsageError(msg)
    return grace
