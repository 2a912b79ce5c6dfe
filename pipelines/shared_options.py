"""Options that several jobs take, converted in one way."""

import re
import time
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, TestOptions

from pipelines.options import UsageError, duration, flag, moment, path, required, text
from schemas.archive_layout import archive_root, source_problem
from schemas.bigtable_table import TableName
from schemas.coverage import Coverage
from schemas.durations import format_duration
from schemas.locations import expanded
from schemas.sizes import format_size, parse_size
from schemas.times import SECOND, format_rfc3339
from transforms.object_store import check_path

__all__ = [
    "archive",
    "coverage",
    "dry_run",
    "horizon",
    "late_output",
    "launch_time",
    "max_lateness",
    "only_one",
    "pseudonym_key",
    "quarantine_output",
    "run_id",
    "size",
    "source",
    "table",
]

_FILE = "file:"
_NUMBERS = {2: "two", 3: "three"}
_MOST_BYTES = 2_000_000_000
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def archive(name: str, value: object, source_option: str = "source") -> str:
    """Return the root of the archive that an option names; its sources are named by another."""
    try:
        return archive_root(check_path(path(value) or ""), source_option)
    except ValueError as error:
        msg = f"--{name}: {error}"
        raise UsageError(msg) from None


def only_one(given: PipelineOptions, names: Sequence[str], *, or_none: bool = False) -> str | None:
    """Return which one of some options is given; others that are too would do nothing."""
    named = [name for name in names if text(getattr(given, name))]
    if len(named) > 1 or not (named or or_none):
        *some, last = (f"--{name}" for name in names)
        how_many = f"{'at most' if or_none else 'exactly'} one of the {_NUMBERS[len(names)]}"
        msg = f"{', '.join(some)} and {last}: name {how_many}"
        raise UsageError(msg)
    return named[0] if named else None


def source(name: str, value: object) -> str:
    """Return the name of a source of an archive, empty where it is unset."""
    given = text(value) or ""
    if given and (problem := source_problem(given)):
        msg = f"--{name}: {problem}"
        raise UsageError(msg)
    return given


def size(name: str, value: object, default: int, least: int = 1, most: int = _MOST_BYTES) -> int:
    """Return an option's size in bytes; with or without a unit, in all jobs."""
    given = text(value)
    try:
        found = default if given is None else parse_size(given)
    except ValueError as error:
        msg = f"--{name}: {error}"
        raise UsageError(msg) from None
    if not least <= found <= most:
        msg = f"--{name}={given}: give {format_size(least)} to {format_size(most)}"
        raise UsageError(msg)
    return found


def table(value: object) -> str | None:
    """Return the full name of a Bigtable table, None where it is unset."""
    given = text(value)
    try:
        return None if given is None else str(TableName.parse(given))
    except ValueError as error:
        msg = f"--bigtable_table: {error}"
        raise UsageError(msg) from None


def pseudonym_key(value: object) -> str | None:
    """Return where the key is, with the path of a file expanded."""
    given = text(value)
    if given is not None and given.startswith(_FILE):
        return _FILE + expanded(given.removeprefix(_FILE))
    return path(given)


def horizon(value: object) -> int:
    """Return how late an event may be for a live job, in microseconds."""
    given = duration("horizon", value, "1d")
    if given < SECOND:
        msg = f"--horizon={value}: give at least 1s"
        raise UsageError(msg)
    return given


def max_lateness(value: object, horizon_: int) -> int:
    """Return how late events were published, in microseconds: at least the horizon, else twice."""
    lateness = 2 * horizon_ if text(value) is None else duration("max_lateness", value, "0")
    if lateness < horizon_:
        msg = f"--max_lateness={value}: give at least the horizon, {format_duration(horizon_)}"
        raise UsageError(msg)
    return lateness


def launch_time(value: object) -> int:
    """Return the time of the launch in microseconds: `--now`, or what the clock says."""
    given = moment("now", value)
    return time.time_ns() // 1000 if given is None else given


def run_id(value: object, now: int) -> str:
    """Return the name of a run; by default it is made of the time of the launch."""
    run = text(value) or format_rfc3339(now - now % SECOND).translate({45: None, 58: None})
    if not _RUN.fullmatch(run):
        msg = f"--run_id={run}: use letters, digits, '.', '_' and '-', at most 100 of them"
        raise UsageError(msg)
    return run


def quarantine_output(value: object, *, plans_only: bool) -> str:
    """Return the folder for what is refused; "" where nothing but a plan is wanted."""
    if not plans_only:
        required("quarantine_output", value, "name a folder, local or gs://")
    return path(value) or ""


def late_output(value: object, *, live: bool) -> str | None:
    """Return the folder of late events. Files are never late; a live job must say where they go."""
    if live:
        required("late_output", value, "a live job has late events; name a folder")
    return path(value)


def coverage(value: object, now: int, *, live: bool, span: tuple[int, int] | None) -> Coverage:
    """Return what the input covers: what it reads, and of a subscription what the option says.

    Args:
        value: of `covers_from`.
        now: of the launch.
        live: whether a subscription is read.
        span: the event times of a replay; None where there is none.
    """
    given = text(value)
    if span is not None:
        if given:
            msg = "--covers_from: a replay covers what --from and --to say; leave it out"
            raise UsageError(msg)
        return Coverage(*span)
    if given == "beginning" or (given is None and not live):
        return Coverage()
    covers_from = now if given in (None, "launch") else moment("covers_from", given)
    return Coverage() if covers_from is None else Coverage(covers_from)


def dry_run(given: PipelineOptions) -> bool:
    """Take the option from Beam, which has one of this name and takes any text for a yes."""
    beams = given.view_as(TestOptions)
    wanted = flag("dry_run", beams.dry_run)
    beams.dry_run = False
    return wanted
