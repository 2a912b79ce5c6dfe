"""Options that several jobs take, converted in one way."""

import re

from apache_beam.options.pipeline_options import PipelineOptions, TestOptions

from pipelines.options import UsageError, duration, flag, path, text
from schemas.archive_layout import archive_root, source_problem
from schemas.bigtable_table import TableName
from schemas.durations import format_duration
from schemas.locations import expanded
from schemas.times import SECOND, format_rfc3339
from transforms.object_store import check_path

__all__ = [
    "archive",
    "dry_run",
    "horizon",
    "max_lateness",
    "pseudonym_key",
    "run_id",
    "source",
    "table",
]

_FILE = "file:"
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def archive(name: str, value: object) -> str:
    """Return the root of the archive that an option names."""
    try:
        return archive_root(check_path(path(value) or ""))
    except ValueError as error:
        msg = f"--{name}: {error}"
        raise UsageError(msg) from None


def source(name: str, value: object) -> str:
    """Return the name of a source of an archive, empty where it is unset."""
    given = text(value) or ""
    if given and (problem := source_problem(given)):
        msg = f"--{name}: {problem}"
        raise UsageError(msg)
    return given


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


def run_id(value: object, now: int) -> str:
    """Return the name of a run; by default it is made of the time of the launch."""
    run = text(value) or format_rfc3339(now - now % SECOND).translate({45: None, 58: None})
    if not _RUN.fullmatch(run):
        msg = f"--run_id={run}: use letters, digits, '.', '_' and '-', at most 100 of them"
        raise UsageError(msg)
    return run


def dry_run(given: PipelineOptions) -> bool:
    """Take the option from Beam, which has one of this name and takes any text for a yes."""
    beams = given.view_as(TestOptions)
    wanted = flag("dry_run", beams.dry_run)
    beams.dry_run = False
    return wanted
