"""The options by which a job reads the raw archive instead of a subscription or files."""

import time
from dataclasses import dataclass
from typing import Literal, cast

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.option_words import Kind, Words
from pipelines.options import (
    UsageError,
    count,
    moment,
    one_of,
    required,
    text,
)
from schemas.replay_plan import ReplaySpan
from schemas.times import format_rfc3339
from schemas.work_rate import EVENTS_PER_WORKER_SECOND
from transforms.read_archive import ON_BAD_OBJECT

__all__ = ["REPLAY", "ReplayConfig"]

REPLAY = {
    "input_archive": Words(
        "the raw archive: its root or .../raw/events",
        Kind.FOLDER,
        example="gs://my-archive",
    ),
    "from": Words("first event time of a replay, RFC 3339", Kind.MOMENT),
    "to": Words("event time at which it ends, itself left out", Kind.MOMENT),
    "source": Words("source of the archive; needed where it holds several", example="my-events"),
    "max_lateness": Words(
        "how late events were published (default 2x horizon)", Kind.DURATION, example="2d"
    ),
    "on_bad_object": Words(
        "what an object that cannot be read does",
        Kind.CHOICE,
        default="fail",
        choices=ON_BAD_OBJECT,
    ),
    "dry_run": Words(
        "true: print what would be read, and launch nothing; needs no sinks",
        Kind.FLAG,
        default="false",
        awaited=True,
    ),
    "events_per_worker_second": Words(
        "rate of the estimate of a dry run", Kind.COUNT, default=str(EVENTS_PER_WORKER_SECOND)
    ),
    "max_input_bytes": Words("refuse to read more", Kind.SIZE, example="500GB"),
    "max_events_per_second": Words("most rows a second for the sink", Kind.COUNT, example="5000"),
    "run_id": Words("name of the run in quarantine and counters", example="repair-2026-01-31"),
}
"""The options, for `add_options`; all but the first go with it."""

_MOST, _MOST_BYTES = 10**18, 10**15
_EPOCH, _YEAR_10000 = 0, 253_402_300_800_000_000


@dataclass(frozen=True)
class ReplayConfig:
    """A replay's constants; times in microseconds.

    `source` is empty where the only one of the archive is meant, until it is planned. `repair`:
    whether the span is authoritative for what the sink holds. `started_at` is the clock's time.
    """

    archive: str
    source: str
    span: ReplaySpan
    horizon: int
    on_bad_object: Literal["fail", "quarantine"]
    dry_run: bool
    events_per_worker_second: int
    max_input_bytes: int | None
    max_events_per_second: int | None
    run_id: str
    repair: bool
    started_at: int

    @classmethod
    def of(
        cls, given: PipelineOptions, now: int, max_future: int, horizon: int, repair: bool
    ) -> "ReplayConfig | None":
        """Check and convert the options; None where no archive is named.

        Args:
            given: the job's own options, with those of `REPLAY`.
            now: of the launch.
            max_future: how far ahead of its publish time an event may be.
            horizon: how late an event may be for the live job.
            repair: whether the run is to be a repair.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        dry_run = shared.dry_run(given)
        if not text(given.input_archive):
            _refuse_alone(given, dry_run)
            return None
        start, end = _ends(given)
        on_bad_object = one_of("on_bad_object", given.on_bad_object, ON_BAD_OBJECT, "fail")
        if repair and on_bad_object != "fail":
            msg = "--on_bad_object: a repair deletes what it does not read; leave it out"
            raise UsageError(msg)
        lateness = shared.max_lateness(given.max_lateness, horizon)
        return cls(
            archive=shared.archive("input_archive", given.input_archive),
            source=shared.source("source", given.source),
            span=ReplaySpan.of(start, end, max_future, lateness),
            horizon=horizon,
            on_bad_object=cast(Literal["fail", "quarantine"], on_bad_object),
            dry_run=dry_run,
            events_per_worker_second=count(
                "events_per_worker_second", given.events_per_worker_second, EVENTS_PER_WORKER_SECOND
            ),
            max_input_bytes=_most_bytes(given.max_input_bytes),
            max_events_per_second=_most_rows(given.max_events_per_second),
            run_id=shared.run_id(given.run_id, now),
            repair=repair,
            started_at=time.time_ns() // 1000,
        )

    @property
    def replayed_from(self) -> str:
        """The name of what is read: the archive and its source."""
        return f"{self.archive}#{self.source}"

    def told(self) -> dict[str, str]:
        """Return what the counters of the run say of its provenance."""
        return {
            "replayed_from": self.replayed_from,
            "run": self.run_id,
            "from": format_rfc3339(self.span.start),
            "to": format_rfc3339(self.span.end),
        }


def _refuse_alone(given: PipelineOptions, dry_run: bool) -> None:
    idle = "dry_run" if dry_run else None
    for name in REPLAY:
        if name != "dry_run" and text(getattr(given, name)):
            idle = idle or name
    if idle:
        msg = f"--{idle} goes with --input_archive: leave it out, or name one"
        raise UsageError(msg)


def _ends(given: PipelineOptions) -> tuple[int, int]:
    ends = []
    for name in ("from", "to"):
        value = getattr(given, name)
        required(name, value, "a replay reads the events of a span; give its event times")
        end = moment(name, value)
        if end is None or not _EPOCH <= end < _YEAR_10000:
            msg = f"--{name}={value}: give a time from 1970 to 9999"
            raise UsageError(msg)
        ends.append(end)
    if ends[1] <= ends[0]:
        msg = f"--to={given.to}: give a time after --from={getattr(given, 'from')}"
        raise UsageError(msg)
    return ends[0], ends[1]


def _most_bytes(value: object) -> int | None:
    return None if text(value) is None else shared.size("max_input_bytes", value, 0, 1, _MOST_BYTES)


def _most_rows(value: object) -> int | None:
    return None if text(value) is None else count("max_events_per_second", value, _MOST, _MOST)
