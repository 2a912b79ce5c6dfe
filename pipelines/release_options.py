"""The options of a release from the quarantine and the configuration they are parsed into, once."""

import argparse
import os
import time
from dataclasses import dataclass
from typing import Literal, cast

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.common_arguments import CELLS, DECLARED, EVENT_BOUNDS, OUTPUTS, RUN, TABLE
from pipelines.option_words import Kind, Words
from pipelines.options import (
    UsageError,
    add_options,
    count,
    duration,
    flag,
    moment,
    one_of,
    path,
    refuse_idle,
    required,
    text,
)
from pipelines.replay_options import REPLAY
from schemas.events import MIN_MICROS
from schemas.locations import is_remote
from schemas.rejected import Reason
from schemas.repairs import Repair
from transforms.decode_anew import Closed
from transforms.object_store import check_path
from transforms.quarantine_filter import Filter
from transforms.read_archive import ON_BAD_OBJECT

__all__ = ["ReleaseConfig", "ReleaseOptions"]

_GROUPS = {
    "what is released": {
        "quarantine": Words(
            "the quarantine: its own folder",
            Kind.FOLDER,
            example="gs://my-bucket/quarantine",
            needed=True,
        ),
        "step": Words("only what this step refused", example="Decode"),
        "reason": Words("only what was refused for this reason", example="missing_field"),
        "from": Words(
            "first publish time, RFC 3339 (of rejection, where there is none)", Kind.MOMENT
        ),
        "to": Words("publish time at which to end, itself left out", Kind.MOMENT),
        "max_attempts": Words("leave out what was handed in as often", Kind.COUNT, default="5"),
        "on_bad_object": REPLAY["on_bad_object"],
    },
    "where from and where to": {
        "input_archive": REPLAY["input_archive"].as_needed(),
        "source": REPLAY["source"],
        **CELLS,
        **TABLE,
    },
    "what is declared, now that it is mended": DECLARED,
    "bounds, as the live job has them": {
        "horizon": Words("how late an event may be for the live job", Kind.DURATION, default="1d"),
        "max_lateness": REPLAY["max_lateness"],
        **EVENT_BOUNDS,
        "shards": RUN["shards"],
        "now": Words(
            "RFC 3339 time for what has no publish time (default: the clock)", Kind.MOMENT
        ),
    },
    "the run": {
        "dry_run": Words(
            "true: count what would be released, and write nothing",
            Kind.FLAG,
            default="false",
            awaited=True,
        ),
        "run_id": Words(
            "name of the run in the quarantine and in the log of repairs",
            example="release-2026-01-31",
        ),
        "counters_output": OUTPUTS["counters_output"],
    },
}
_SINKS = ("bigtable_table", "cells_output")
_ONLY_WITH = {"bigtable_table": tuple(TABLE)}


class ReleaseOptions(PipelineOptions):
    """Command line of a release; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


@dataclass(frozen=True)
class ReleaseConfig:
    """The job's constants; times in microseconds.

    Until the release is prepared `source` may be empty, for the only one of the archive, and these
    are before all: `archived_from`, when its first message was published, `archived_to`, its
    completeness marker, and `closed_to`, what marker and clock have passed. `started_at` is the
    clock's time.
    """

    quarantine_output: str
    meant: Filter
    max_attempts: int
    on_bad_object: Literal["fail", "quarantine"]
    archive: str
    source: str
    bigtable_table: str | None
    cells_output: str | None
    app_profile: str | None
    flow_control: bool
    contracts: str | None
    features: str | None
    pseudonym_key: str | None
    horizon: int
    max_lateness: int
    max_future: int
    max_event_bytes: int
    shards: int
    now: int
    dry_run: bool
    run_id: str
    counters_output: str | None
    started_at: int
    archived_from: int = MIN_MICROS
    archived_to: int = MIN_MICROS
    closed_to: int = MIN_MICROS
    input_files: str | None = None
    input_subscription: str | None = None

    @classmethod
    def of(cls, options: PipelineOptions) -> "ReleaseConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(ReleaseOptions)
        started_at = time.time_ns() // 1000
        now = moment("now", given.now)
        now = started_at if now is None else now
        shared.only_one(given, _SINKS)
        refuse_idle(given, _ONLY_WITH)
        horizon = shared.horizon(given.horizon)
        on_bad_object = one_of("on_bad_object", given.on_bad_object, ON_BAD_OBJECT, "fail")
        return cls(
            quarantine_output=_quarantine(given.quarantine),
            meant=_meant(given),
            max_attempts=count("max_attempts", given.max_attempts, 5),
            on_bad_object=cast(Literal["fail", "quarantine"], on_bad_object),
            archive=_archive(given.input_archive),
            source=shared.source("source", given.source),
            bigtable_table=shared.table(given.bigtable_table),
            cells_output=path(given.cells_output),
            app_profile=text(given.app_profile),
            flow_control=flag("flow_control", given.flow_control),
            contracts=path(given.contracts),
            features=path(given.features),
            pseudonym_key=shared.pseudonym_key(given.pseudonym_key),
            horizon=horizon,
            max_lateness=shared.max_lateness(given.max_lateness, horizon),
            max_future=duration("max_future", given.max_future, "1d"),
            max_event_bytes=shared.size("max_event_bytes", given.max_event_bytes, 1_000_000),
            shards=count("shards", given.shards, 16),
            now=now,
            dry_run=shared.dry_run(given),
            run_id=shared.run_id(given.run_id, now),
            counters_output=path(given.counters_output),
            started_at=started_at,
        )

    @property
    def sink(self) -> str:
        """The name of what is written, in the ledger: the same however the option spells it."""
        place = self.cells_output or ""
        local = place and not is_remote(place)
        return self.bigtable_table or (os.path.abspath(place) if local else place.rstrip("/"))

    @property
    def closed(self) -> Closed:
        """What nothing changes any more: all of it is published, and live does not write it."""
        settling = max(self.max_lateness, 2 * self.horizon)
        return Closed(self.closed_to, self.archived_to, settling, self.archived_from)

    @property
    def released_from(self) -> str:
        """The name of what is read: the archive and its source."""
        return f"{self.archive}#{self.source}"

    @property
    def repair(self) -> Repair:
        """The record of the run in the log of repairs, without its tiles."""
        table = self.bigtable_table or ""
        return Repair(table=table, run=self.run_id, started_at=self.started_at)

    @property
    def provenance(self) -> dict[str, str]:
        """What the counters say of the run."""
        return {"released_from": self.released_from, "run": self.run_id}


def _quarantine(value: object) -> str:
    given = required("quarantine", value, "name the folder, local or gs://")
    try:
        found = check_path(path(given) or "")
    except ValueError as error:
        msg = f"--quarantine: {error}"
        raise UsageError(msg) from None
    if any(part.startswith(("step=", "dt=")) for part in found.split("/")):
        msg = (
            f"--quarantine={given}: a part of one; name the whole, and choose by --step and --from"
        )
        raise UsageError(msg)
    return found


def _archive(value: object) -> str:
    required("input_archive", value, "a release computes tiles anew from the raw archive")
    return shared.archive("input_archive", value)


def _meant(given: ReleaseOptions) -> Filter:
    reason = text(given.reason)
    reasons = [each.value for each in Reason]
    if reason is not None:
        one_of("reason", reason, reasons, reason)
    start, end = moment("from", getattr(given, "from")), moment("to", given.to)
    if start is not None and end is not None and end <= start:
        msg = f"--to={given.to}: give a time after --from={getattr(given, 'from')}"
        raise UsageError(msg)
    return Filter(text(given.step), reason, start, end)
