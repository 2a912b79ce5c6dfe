"""Keeps the completeness marker of an archive: it follows the watermark behind the writes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.pvalue import PCollection
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import MIN_TIMESTAMP, Timestamp

from schemas.completeness import Completeness, marker_name
from schemas.layouts import shown_layouts
from schemas.times import MILLISECOND, SECOND
from transforms.object_store import ObjectStoreError, check_path, update_object
from transforms.watermark_looks import SENTINEL, Looks

__all__ = ["MarkComplete", "advance_marker"]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Looks).decode


@dataclass
class MarkComplete(beam.PTransform[PCollection[str], PCollection[int]]):
    """PCollection[name of what was written] -> PCollection[each new marker, in microseconds].

    The input's watermark must be one of publish times, held back by all that is not yet written:
    each name has the least publish time of its batch for a timestamp. When the watermark has passed
    a look, which is a multiple of `every`, and `pause` seconds later the input has not ended, the
    marker `_complete.json` of the source is moved up to that look; also on a topic without
    messages, where the first look is the launch. Behind by far, as with a backlog, looks are
    further apart. It never goes back, not by a later job nor by two at once.

    **End.** An input that ends, or a job that drains, moves the watermark to the end of time,
    whatever is still unread; nothing is marked for that. An engine has to deliver that jump to all
    timers of this step within `pause`: Prism, Flink and Dataflow do it in one go. A source that
    ended because it was idle has marked its watermark while it was.

    **What the marker is worth** is what the source's watermark is worth, for which see
    `ReadMessages`; a new job must not let it run ahead of what a dead one had leased
    (`restart_grace`). An engine that loses its state, as a killed Prism does, loses open batches
    whose messages may be acknowledged, and the marker of the next job knows nothing of them.

    One job an archive and source. Windows: global only. The timestamps of the markers mean nothing.
    A retry writes the same, or what is later and true as well.

    Raises, at run time: `ObjectStoreError`, which fails the bundle: the place cannot be written, or
    what is there is no marker.

    Args:
        path: of the archive, local folder or gs://BUCKET[/FOLDER].
        source: as given to `WriteArchive`.
        every: seconds between two looks, a millisecond or more.
        pause: seconds for which a look waits for the end of the input; at most `every`.
        clock: seconds since the epoch; that of the engine may be ahead of it.
    """

    path: str
    source: str
    every: float = 60.0
    pause: float = 10.0
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.path = check_path(self.path)
        if self.every < 0.001 or self.pause <= 0:
            msg = f"every={self.every}, pause={self.pause}: give seconds, 0.001 or more"
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


def advance_marker(path: str, source: str, complete_to: int) -> bool:
    """Move a source's marker up to a time in microseconds; False where it is there or beyond.

    Raises:
        ObjectStoreError: it cannot be written, or what is there is no marker.
    """
    name = f"{path}/{marker_name(source)}"
    made = Completeness(complete_to)

    def later(content: bytes | None) -> bytes | None:
        if content is None or _read(name, content).complete_to < complete_to:
            return made.to_json()
        return None

    return update_object(name, later)


def _read(name: str, content: bytes) -> Completeness:
    try:
        return Completeness.from_json(content)
    except ValueError as error:
        msg = f"{name}: {error}"
        raise ObjectStoreError(msg) from None


class _Follow(beam.DoFn):
    LOOKS = ReadModifyWriteStateSpec("looks", BytesCoder())
    LOOK = TimerSpec("look", TimeDomain.WATERMARK)
    SENTINEL = TimerSpec("sentinel", TimeDomain.WATERMARK)
    CONFIRM = TimerSpec("confirm", TimeDomain.REAL_TIME)
    LOOKS_PARAM = beam.DoFn.StateParam(LOOKS)
    LOOK_PARAM = beam.DoFn.TimerParam(LOOK)
    SENTINEL_PARAM = beam.DoFn.TimerParam(SENTINEL)
    CONFIRM_PARAM = beam.DoFn.TimerParam(CONFIRM)

    def __init__(self, given: MarkComplete) -> None:
        self._path, self._source, self._clock = given.path, given.source, given.clock
        self._every = round(given.every * SECOND / MILLISECOND) * MILLISECOND
        self._pause = round(min(given.pause, given.every) * SECOND)

    def display_data(self) -> dict[str, Any]:
        return shown_layouts(Looks)

    def process(
        self,
        _element: tuple[int, str],
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        looks: Any = LOOKS_PARAM,
        look: Any = LOOK_PARAM,
        sentinel: Any = SENTINEL_PARAM,
    ) -> None:
        """See that a look is pending, after what was written or from the launch on."""
        state = self._load(looks)
        if state.is_new:
            sentinel.set(Timestamp(micros=SENTINEL))
        target = state.seen(self._now() if timestamp == MIN_TIMESTAMP else timestamp.micros)
        if target is not None:
            look.set(Timestamp(micros=target))
            looks.write(_encode(state))

    @on_timer(LOOK)
    def on_look(
        self,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        looks: Any = LOOKS_PARAM,
        confirm: Any = CONFIRM_PARAM,
    ) -> None:
        """Note what the watermark has passed, and wait whether that was the end."""
        state = self._load(looks)
        due = state.fired(timestamp.micros, self._now())
        if due is not None:
            confirm.set(Timestamp(micros=due))
            looks.write(_encode(state))

    @on_timer(CONFIRM)
    def on_confirm(
        self, looks: Any = LOOKS_PARAM, look: Any = LOOK_PARAM, confirm: Any = CONFIRM_PARAM
    ) -> Iterator[int]:
        """Mark what the watermark had passed a pause ago."""
        state = self._load(looks)
        found = state.confirmed(self._now())
        if found.again is not None:
            confirm.set(Timestamp(micros=found.again))
        if found.passed is None or found.look is None:
            return
        look.set(Timestamp(micros=found.look))
        looks.write(_encode(state))
        if advance_marker(self._path, self._source, found.passed):
            yield found.passed

    @on_timer(SENTINEL)
    def on_sentinel(self, looks: Any = LOOKS_PARAM, confirm: Any = CONFIRM_PARAM) -> None:
        """Mark nothing any more: the input has ended."""
        state = self._load(looks)
        state.end()
        # So that the job does not wait for it; Prism calls a timer that is cleared at once.
        confirm.clear()
        looks.write(_encode(state))

    def _load(self, looks: Any) -> Looks:
        encoded = looks.read()
        state = Looks() if encoded is None else _decode(encoded)
        # Not from the state: a job may be updated with other values.
        state.every, state.pause = self._every, self._pause
        return state

    def _now(self) -> int:
        return round(self._clock() * SECOND)


def _keyed(name: str) -> tuple[int, str]:
    return 0, name
