"""Keeps the completeness marker of an archive: it follows the watermark behind the writes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.coders import VarIntCoder
from apache_beam.pvalue import PCollection
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import MIN_TIMESTAMP, Timestamp

from schemas.completeness import Completeness, marker_name
from transforms.object_store import check_path, read_objects, replace_object

__all__ = ["MarkComplete", "next_look", "read_marker"]

_SECOND = 1_000_000
_CATCH_UP = 8


@dataclass
class MarkComplete(beam.PTransform[PCollection[str], PCollection[int]]):
    """PCollection[name of what was written] -> PCollection[each new marker, in microseconds].

    The input's watermark must be one of publish times, held back by all that is not yet written.
    When it has passed a look, which is a multiple of `every`, the marker `_complete.json` of the
    source is replaced by that time less `margin`; also on a topic without messages, where the first
    look is the launch. It never goes back, not in a later job either. Behind by far, as with a
    backlog, looks are further apart. A watermark ahead of the clock is that of a source that has
    ended: nothing is known of then, and nothing is marked. One job an archive and source.

    Windows: global only. A retry writes the same, or what is later and true as well.

    Raises, at run time: `ObjectStoreError`, which fails the bundle.

    Args:
        path: of the archive, local folder or gs://BUCKET[/FOLDER].
        source: as given to `WriteArchive`.
        every: seconds between two looks.
        margin: seconds by which the marker stays behind: the time that an ended source's last
            timers may take.
        clock: seconds since the epoch.
    """

    path: str
    source: str
    every: float = 60.0
    margin: float = 60.0
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.path = check_path(self.path)
        if self.every <= 0 or self.margin < 0:
            msg = f"every={self.every}, margin={self.margin}: give seconds, above 0 and not below 0"
            raise ValueError(msg)

    def expand(self, written: PCollection[str]) -> PCollection[int]:
        """Follow the watermark, from the beginning on."""
        # What begins it: a topic without messages is complete as well.
        begin = written.pipeline | "Begin" >> beam.Create([""]).with_output_types(str)
        return (
            (written, begin)
            | "FlattenBegin" >> beam.Flatten()
            | "KeyAll" >> beam.Map(_keyed).with_output_types(tuple[int, str])
            | "FollowWatermark" >> beam.ParDo(_Follow(self)).with_output_types(int)
        )


def read_marker(path: str, source: str) -> int | None:
    """Return up to which publish time an archive says that it is complete; None: it does not.

    Raises:
        msgspec.DecodeError: what is there is no marker.
    """
    found = next(read_objects(f"{path}/{marker_name(source)}", ""), None)
    return None if found is None else Completeness.from_json(found[1]).complete_to


def next_look(passed: int, now: int, every: int) -> int | None:
    """Return the next time to wait for the watermark at, None if it is ahead of the clock already.

    All in microseconds. Far behind the clock looks are an eighth of the way apart, so that a jump
    over days costs some dozens of them.

    >>> next_look(60, now=100, every=60), next_look(120, now=100, every=60)
    (120, None)
    """
    if passed > now:
        return None
    step = max(every, (now - passed) // _CATCH_UP)
    return passed + step - step % every


class _Follow(beam.DoFn):
    PENDING = ReadModifyWriteStateSpec("pending", VarIntCoder())
    LOOK = TimerSpec("look", TimeDomain.WATERMARK)
    PENDING_PARAM = beam.DoFn.StateParam(PENDING)
    LOOK_PARAM = beam.DoFn.TimerParam(LOOK)

    def __init__(self, given: MarkComplete) -> None:
        self._path, self._source, self._clock = given.path, given.source, given.clock
        self._every = round(given.every * _SECOND)
        self._margin = round(given.margin * _SECOND)
        self._marked: int | None = None

    def process(
        self,
        _element: tuple[int, str],
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        pending: Any = PENDING_PARAM,
        look: Any = LOOK_PARAM,
    ) -> None:
        """See that a look is pending, after what was written or from the launch on."""
        known = pending.read()
        time_ = self._now() if timestamp == MIN_TIMESTAMP else timestamp.micros
        target = time_ - time_ % self._every + self._every
        if known is None or target < known:
            self._wait(target, pending, look)

    @on_timer(LOOK)
    def on_look(
        self,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        pending: Any = PENDING_PARAM,
        look: Any = LOOK_PARAM,
    ) -> Iterator[int]:
        """Mark what the watermark has passed."""
        passed, now = timestamp.micros, self._now()
        following = next_look(passed, now, self._every)
        if following is None:
            pending.clear()
            return
        self._wait(following, pending, look)
        if self._mark(passed - self._margin):
            yield passed - self._margin

    def _wait(self, target: int, pending: Any, look: Any) -> None:
        look.set(Timestamp(micros=target))
        pending.write(target)

    def _mark(self, complete_to: int) -> bool:
        if self._marked is None or complete_to > self._marked:
            # Of another worker or an earlier job, maybe.
            self._marked = read_marker(self._path, self._source)
        if self._marked is not None and complete_to <= self._marked:
            return False
        marker = Completeness(complete_to)
        replace_object(f"{self._path}/{marker_name(self._source)}", marker.to_json())
        self._marked = complete_to
        return True

    def _now(self) -> int:
        return round(self._clock() * _SECOND)


def _keyed(name: str) -> tuple[int, str]:
    return 0, name
