"""Reads the raw archive beside a stream, until it is known to hold what came before a moment."""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import MIN_TIMESTAMP, Duration, Timestamp

from schemas.archive_layout import source_problem
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from schemas.replay_plan import readable
from transforms.archive_manifest import list_hours, read_marker
from transforms.archive_progress import Progress, Stillness
from transforms.counters import counter
from transforms.garbage import settle
from transforms.object_store import check_path
from transforms.pubsub_reader import OVER, TurnTracker
from transforms.read_archived import read_archived

__all__ = ["FollowArchive", "runner_problem"]

_LOG = logging.getLogger(__name__)
# By name: importing the Dataflow runner would cost every other job a second.
_CANNOT = ("BundleBasedDirectRunner", "SwitchingDirectRunner", "DirectRunner")


def runner_problem(names: Iterable[str]) -> str | None:
    """Return why an engine cannot follow an archive, in one line; None: it can.

    Args:
        names: of the engine's class and of those that it is made from.
    """
    unable = next((name for name in names if name in _CANNOT), None)
    if unable is None:
        return None
    return (
        f"{unable} has no steps that go on by themselves; name another engine by --runner: "
        "PrismRunner, PortableRunner (Flink) or DataflowRunner"
    )


@dataclass
class FollowArchive(beam.PTransform[PBegin, PCollection[RawPack]]):
    """PBegin -> `RawPack`: the messages of a source of the archive, for `Flatten(archive, live)`.

    Everything that was published in [`start`, `until`): the objects that the manifest names are
    read, then the manifest is listed again every `poll` seconds (up to 15 where nothing happens)
    until the completeness marker has passed `until`; after one more listing that is the end. Rows
    published before `start` are left out; of those from `until` on, which the stream delivers,
    some come too. Message ids, attributes and publish times are kept; order is by object, rows in
    the order of the object, in packs as those of `ReadMessages`.

    **Timestamps and windows.** A pack has the least time of its rows, as in the stream, in the
    global window.
    The watermark stands at `start` until the end, so the clocks of what follows a Flatten are held
    back, and nothing that is read here can be behind them.

    **Copies.** Objects may overlap, and what a compaction makes of objects while they are being
    read may come again: every message comes once or more. A restart or a checkpoint loses nothing
    and reads again only what was not committed: which objects were handed on is part of the state
    (16 bytes an object of the hours that the marker has not passed).

    **End and drain.** It ends by itself and is then over; a drain ends it at once. While the marker
    stands, it waits: one warning a minute says for what. Unbounded, although it ends; splittable,
    which the bundle-based direct runner cannot run (`ValueError`).

    **Errors.** An object that is missing, damaged or foreign, or a store that cannot be read, fails
    the bundle with an `ObjectStoreError` that names it. Counters: `objects_read`, `warm_read`
    (messages).

    Args:
        root: of the archive, a local folder or gs://BUCKET[/FOLDER].
        source: name of the source.
        start: publish time in microseconds from which the archive is read.
        until: publish time that the completeness marker has to pass: the moment of the launch.
        poll: seconds between two listings.
        timestamp_attribute: as given to `ReadMessages` for the stream.
    """

    root: str
    source: str
    start: int
    until: int
    poll: float = 2.0
    timestamp_attribute: str | None = None

    def __post_init__(self) -> None:
        self.root = check_path(self.root)
        if problem := source_problem(self.source):
            msg = f"source: {problem}"
            raise ValueError(msg)
        if self.start > self.until:
            msg = f"start={self.start}: give a time that is not after until={self.until}"
            raise ValueError(msg)
        if self.poll <= 0:
            msg = f"poll={self.poll}: give a number of seconds above 0"
            raise ValueError(msg)

    def expand(self, pbegin: PBegin) -> PCollection[RawPack]:
        """Follow the manifest in one place, and read its objects in many."""
        runner = type(pbegin.pipeline.runner)
        problem = runner_problem(each.__name__ for each in runner.__mro__)
        if problem is not None:
            raise ValueError(problem)
        return (
            pbegin
            | "Begin" >> beam.Impulse()
            | "FollowManifest" >> beam.ParDo(_Follow(self)).with_output_types(tuple[str, str])
            | "SpreadObjects" >> beam.Reshuffle()
            | "ReadObjects" >> beam.ParDo(_Read(self)).with_output_types(RawPack)
        )


class _Beginning(RestrictionProvider):
    """The restriction is the text of a `Progress`, or `OVER`; it is never split."""

    def initial_restriction(self, element: bytes) -> str:
        return Progress().to_text()

    def create_tracker(self, restriction: str) -> TurnTracker:
        return TurnTracker(restriction)

    def restriction_size(self, element: bytes, restriction: str) -> float:
        return 1.0

    def truncate(self, element: bytes, restriction: str) -> None:
        """Drain: the tiles that are not whole by now will not become so in this job."""
        return


_RESTRICTION = beam.DoFn.RestrictionParam(_Beginning())
_ESTIMATOR = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())


class _Follow(beam.DoFn):
    """Emits (folder, name of the entry) of each object once, with the timestamp `start`.

    One call lists the manifest once; the engine comes back for the next.
    """

    def __init__(self, given: FollowArchive) -> None:
        self._place = given.root, given.source
        self._start, self._until, self._poll = given.start, given.until, given.poll
        self._stillness = Stillness(time.monotonic)

    @beam.DoFn.unbounded_per_element()
    def process(
        self, element: bytes, tracker: Any = _RESTRICTION, estimator: Any = _ESTIMATOR
    ) -> Iterator[TimestampedValue]:
        held = Timestamp(micros=max(self._start, MIN_TIMESTAMP.micros))
        if estimator.current_watermark() is None:
            estimator.set_watermark(held)
        progress = Progress.from_text(tracker.current_restriction())
        # The marker first: what it vouches for is then in the listing that follows.
        marker = read_marker(*self._place)
        first = max(self._start, progress.settled)
        for hour in list_hours(*self._place, first, self._until):
            entries = [entry for entry in progress.fresh(hour) if self._is_wanted(entry)]
            if not entries:
                continue
            progress = progress.with_handed(hour.start, entries)
            if not tracker.try_claim(progress.to_text()):
                return
            for entry in entries:
                yield TimestampedValue((hour.folder, entry.name), held)
        self._hand_on(tracker, progress.after(marker), marker)

    def _is_wanted(self, entry: ManifestEntry) -> bool:
        return entry.last_publish >= self._start and entry.first_publish < self._until

    def _hand_on(self, tracker: Any, progress: Progress, marker: int | None) -> None:
        if marker is not None and marker >= self._until:
            tracker.try_claim(OVER)
        elif tracker.try_claim(progress.to_text()):
            if self._stillness.lasts(marker):
                _LOG.warning("%s", _waiting(*self._place, marker, self._until))
            tracker.defer_remainder(Duration(micros=round(progress.pause(self._poll) * 1e6)))


class _Read(beam.DoFn):
    """(Folder, name of the entry) -> the packs of its object."""

    def __init__(self, given: FollowArchive) -> None:
        self._start, self._attribute = given.start, given.timestamp_attribute
        self._objects, self._messages = counter("objects_read"), counter("warm_read")

    def setup(self) -> None:
        settle()

    def process(self, place: tuple[str, str]) -> Iterator[TimestampedValue]:
        for earliest, pack in read_archived(*place, self._start, self._attribute):
            self._messages.inc(len(pack))
            yield TimestampedValue(pack, Timestamp(micros=earliest))
        self._objects.inc()


def _waiting(root: str, source: str, marker: int | None, until: int) -> str:
    known = "has no completeness marker"
    if marker is not None:
        known = f"is complete to {readable(marker)}"
    return (
        f"warm start: source {source} of {root} {known}, for a minute or longer; the job holds its "
        f"watermark until it is complete to the launch, {readable(until)}; look at the archive job "
        "if that takes longer than its --batch_age and --marker_every"
    )
