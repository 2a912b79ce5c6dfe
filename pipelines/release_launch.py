"""What a release has to settle before it is built, and what it tells at its end."""

import dataclasses
import os
import sys
import time
from collections.abc import Iterator, Mapping

from apache_beam.metrics import MetricsFilter
from apache_beam.runners.runner import PipelineResult

from pipelines.counters import counters_of
from pipelines.options import UsageError
from pipelines.release_options import ReleaseConfig
from schemas.archive_layout import HOUR
from schemas.credentials import require_credentials
from schemas.locations import is_remote, write_problem
from schemas.other_jobs import INSTEAD
from schemas.rejected import Reason
from schemas.replay_plan import readable
from transforms.archive_manifest import read_marker
from transforms.check_step import check_step
from transforms.choose_sources import only_source
from transforms.count_touched import TOUCHED_HOUR
from transforms.counters import NAMESPACE
from transforms.object_store import list_objects
from transforms.plan_replay import first_published
from transforms.release_outcomes import OUTCOMES, Outcome

__all__ = ["launched", "left_to_others", "report", "told"]

_CHANGES = {"step": "WriteCells", "reason": Reason.MUTATION_REFUSED.value}
_TABLE = (
    Outcome.NOW_GOOD,
    Outcome.STILL_BAD,
    Outcome.NOT_YET,
    Outcome.NOT_ARCHIVED,
    Outcome.EXHAUSTED,
    Outcome.ALREADY_RELEASED,
    Outcome.UNRELEASABLE,
    Outcome.OTHER_TABLE,
    Outcome.OTHER_JOB,
)


def launched(config: ReleaseConfig) -> ReleaseConfig:
    """Return the configuration that is to be built.

    Raises:
        UsageError: the quarantine is no folder, or empty, or nothing says what the archive holds.
        NoSuchStepError: nothing there was refused by a step of the name that is asked for.
        NoSourceError: the source is not there, or it is not clear which is meant.
        CredentialsError: a place is in Cloud Storage, and there are no credentials.
        ObjectStoreError: a place cannot be listed.
    """
    for option, place in (
        ("quarantine", config.quarantine_output),
        ("input_archive", config.archive),
    ):
        if is_remote(place):
            require_credentials(f"--{option}={place}")
    if problem := _place_problem(config):
        msg = f"--quarantine={config.quarantine_output}: {problem}"
        raise UsageError(msg)
    if next(list_objects(config.quarantine_output, ".avro"), None) is None:
        msg = f"--quarantine={config.quarantine_output}: nothing was refused there; check the path"
        raise UsageError(msg)
    check_step(config.quarantine_output, config.meant.step)
    source = only_source(config.archive, config.source or None)
    marker = read_marker(config.archive, source)
    if marker is None:
        if not _only_changes(config):
            msg = (
                f"--input_archive={config.archive}: source {source} has no completeness marker, so "
                "nothing says that it holds all; --reason=mutation_refused needs none"
            )
            raise UsageError(msg)
        return dataclasses.replace(config, source=source)
    first = first_published(config.archive, source)
    return dataclasses.replace(
        config,
        source=source,
        archived_from=marker if first is None else first,
        archived_to=marker,
        closed_to=min(marker, time.time_ns() // 1000),
    )


def report(config: ReleaseConfig, result: PipelineResult) -> None:
    """Print what a dry run has found, and what is for other jobs; of the rest its counters tell."""
    counters = counters_of(result)
    line = _of_others(counters)
    if line and not left_to_others(counters):
        sys.stderr.write(f"{line}\n")
    if not config.dry_run:
        return
    query = MetricsFilter().with_namespace(NAMESPACE).with_name(TOUCHED_HOUR)
    hours = [each.committed for each in result.metrics().query(query)["distributions"]]
    ends = [(each.min, each.max) for each in hours if each is not None and each.count]
    span = (min(first for first, _ in ends), max(last for _, last in ends)) if ends else None
    sys.stdout.write("\n".join(told(counters, span)) + "\n")


def left_to_others(counters: Mapping[str, int]) -> str | None:
    """Return the line about what other jobs refused, where there was nothing else to release.

    >>> left_to_others({"other_job": 2, "other_job.curate_events": 2, "now_good": 1})
    >>> line = left_to_others({"other_job": 2, "other_job.curate_events": 2})
    >>> line.startswith("2 messages were refused by curate_events, whose tables no release fills")
    True
    """
    none_of_these = (Outcome.OTHER_JOB, Outcome.UNRELEASABLE)
    others = any(counters.get(name) for name in OUTCOMES if name not in none_of_these)
    return None if others else _of_others(counters)


def _of_others(counters: Mapping[str, int]) -> str | None:
    """Return in one line what to do about messages that other jobs refused; None of none."""
    found = {job: counters.get(f"{Outcome.OTHER_JOB}.{job}", 0) for job in INSTEAD}
    jobs = [job for job, n in found.items() if n]
    if not jobs:
        return None
    told = " and ".join(f"{found[job]} messages were refused by {job}" for job in jobs)
    commands = " and ".join(dict.fromkeys(INSTEAD[job] for job in jobs))
    return (
        f"{told}, whose tables no release fills: mend the cause, and run {commands} with"
        " --input_archive over their span (docs/release.md)"
    )


def told(counters: Mapping[str, int], hours: tuple[int, int] | None) -> list[str]:
    """Return the lines of a dry run.

    Args:
        counters: by name.
        hours: the first and the last hour of touched tiles, since the epoch; None of none.
    """
    lines = [*_table(counters), *_not_yet(counters)]
    tiles = counters.get("tiles_touched", 0)
    where = f", in hours {_hour(hours[0])} to {_hour(hours[1])}" if hours else ""
    lines.append(f"tiles touched: {tiles} in {counters.get('rows_touched', 0)} rows{where}")
    planned = (counters.get(f"{name}_planned", 0) for name in ("objects", "events", "bytes"))
    lines.append("archive: {} objects, {} events, {} bytes to be read".format(*planned))
    return lines


def _table(counters: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each step and reason, with what would become of its records."""
    places = sorted(
        {
            name.partition(".")[2]
            for name in counters
            if name.partition(".")[0] in OUTCOMES and name.count(".") == 2
        }
    )
    for place in places:
        found = ((outcome, counters.get(f"{outcome}.{place}", 0)) for outcome in _TABLE)
        counts = ", ".join(f"{outcome.replace('_', ' ')} {n}" for outcome, n in found if n)
        yield f"{place.replace('.', ' ')}: {counts}"
    if not places:
        yield "no record is meant"


def _not_yet(counters: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each hour in which what is not closed yet will be."""
    for name, n in sorted(counters.items()):
        outcome, _, hour = name.partition(".")
        if outcome == Outcome.NOT_YET and hour.endswith("Z"):
            yield f"not yet: {n} can be released after the hour of {hour}"


def _hour(number: int) -> str:
    return readable(number * HOUR)


def _place_problem(config: ReleaseConfig) -> str | None:
    place = config.quarantine_output
    if config.dry_run:
        return "is a file; name a folder" if os.path.isfile(place) else None
    return None if is_remote(place) else write_problem(place, is_file=False)


def _only_changes(config: ReleaseConfig) -> bool:
    return _CHANGES["step"] == config.meant.step or _CHANGES["reason"] == config.meant.reason
