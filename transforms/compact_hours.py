"""Compacts hours of the raw archive: few large objects, and nothing that is not needed any more."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.compaction import Compaction
from transforms.archive_manifest import list_hour
from transforms.clean_hour import clean_hour
from transforms.counters import counter
from transforms.merge_hour import Report, merge_hour
from transforms.object_store import check_path

__all__ = ["CompactHours", "compact_hour"]

_LOG = logging.getLogger(__name__)
_MICROS = 1_000_000
# Workers run threads; each hour takes the memory of `Compaction`, and the interpreter one thread.
_ONE_AT_A_TIME = threading.Lock()


@dataclass
class CompactHours(beam.PTransform[PCollection[tuple[str, int]], PCollection[str]]):
    """PCollection[(source, start of an hour in microseconds)] -> PCollection[line about a problem].

    Each hour is compacted by itself, see `compact_hour`, one at a time in a process; any window. It
    may be repeated, also at the same time: the second finds done what the first has done.

    A bad object is named in a line and in the log, left as it is, and its hour is compacted without
    it. Counters: `hours`, `objects_read`, `objects_written`, `events`, `bytes_before`,
    `bytes_after` (of what was merged), `orphans_found`, `orphans_deleted`, `objects_deleted`,
    `unfinished_deleted`, `bad_objects`, `hours_unmerged`.

    Raises, at run time: `ObjectStoreError`, which fails the bundle.

    Args:
        path: of the archive, local folder or gs://BUCKET[/FOLDER].
        how: sizes, codec and grace.
        clock: seconds since the epoch.
    """

    path: str
    how: Compaction = field(default_factory=Compaction)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        """Check the path; nothing is opened."""
        self.path = check_path(self.path)

    def expand(self, hours: PCollection[tuple[str, int]]) -> PCollection[str]:
        """Compact each hour."""
        return hours | "CompactHour" >> beam.ParDo(_CompactHour(self)).with_output_types(str)


def compact_hour(
    root: str, source: str, start: int, how: Compaction, clock: Callable[[], int]
) -> Report:
    """Merge the small objects of an hour, then delete what nobody reads any more.

    At every moment, whoever else writes, compacts or is killed, the hour's manifest names every
    message that it named before. An hour with a damaged record is left as it is, and named.

    Raises:
        ObjectStoreError: the place cannot be listed, read or written.

    Args:
        root: of the archive.
        source: its name.
        start: of the hour, in microseconds.
        how: sizes, codec and grace.
        clock: microseconds since the epoch.
    """
    unread: list[str] = []
    hour = list_hour(root, source, start, unread.append)
    if unread:
        # Who knows what it replaces: merged again, that would be there twice.
        report = Report()
        report.unmerged(hour.folder, unread[0])
    else:
        report = merge_hour(hour, how, clock)
        # Listed anew, so that what is deleted was without an entry a moment ago.
        cleaned = clean_hour(list_hour(root, source, start), how, clock())
        report.counts.update(cleaned.counts)
    report.counts["hours"] += 1
    return report


class _CompactHour(beam.DoFn):
    def __init__(self, given: CompactHours) -> None:
        self._path, self._how, self._clock = given.path, given.how, given.clock

    def process(self, hour: tuple[str, int]) -> Iterator[str]:
        """Compact an hour and count what was done."""
        source, start = hour
        with _ONE_AT_A_TIME:
            report = compact_hour(self._path, source, start, self._how, self._now)
        for name, count in report.counts.items():
            counter(name).inc(count)
        for problem in report.problems:
            _LOG.error("%s", problem)
            yield problem

    def _now(self) -> int:
        return int(self._clock() * _MICROS)
