"""The Beam side of dedupe: state and timer of a shard in stream, its group in batch."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    BagStateSpec,
    ReadModifyWriteStateSpec,
    TimerSpec,
    on_timer,
)
from apache_beam.utils.shared import Shared
from apache_beam.utils.timestamp import MIN_TIMESTAMP, Timestamp

from schemas.events import MIN_MICROS
from schemas.layouts import shown_layouts
from schemas.packs import EventPack
from transforms.counters import counter, distribution
from transforms.fence import Fence
from transforms.seen_ids import Anchor, Retention, SeenIds, Verdict
from transforms.survivors import survivors
from transforms.watermark_clock import WatermarkClock

__all__ = ["CONFLICTS", "DUPLICATES", "ChooseSurvivors", "FindCopies"]

DUPLICATES = "duplicates"
CONFLICTS = "conflicts"


class _Header(msgspec.Struct, array_like=True):
    """What a shard saves beside its log; `newest` is the latest publish time that it has seen."""

    nonce: bytes
    clock: WatermarkClock
    newest: int = MIN_MICROS


class _Outputs:
    """Counts a verdict and gives out its packs."""

    def __init__(self) -> None:
        self._duplicate, self._conflict = counter("duplicate"), counter("conflict")
        self._distance = distribution("duplicate_distance_ms")

    def of(self, pack: EventPack, verdict: Verdict, watermark: int) -> Iterator[Any]:
        """Give the unique rows to the main output, stamped with the watermark."""
        unique, duplicates, conflicts, distances = verdict
        if len(unique) == len(pack):
            yield msgspec.structs.replace(pack, watermark=watermark)
            return
        if unique:
            rest = _unique(pack, verdict)
            yield msgspec.structs.replace(rest, watermark=watermark)
        if duplicates:
            self._duplicate.inc(len(duplicates))
            yield TaggedOutput(DUPLICATES, pack.take(duplicates))
        if conflicts:
            self._conflict.inc(len(conflicts))
            yield TaggedOutput(CONFLICTS, pack.take(conflicts))
        for distance in distances:
            self._distance.update(distance // 1_000)


class FindCopies(beam.DoFn):
    """Carries state and the timer of one shard to `SeenIds` and `WatermarkClock`."""

    _HEADER = ReadModifyWriteStateSpec("header", BytesCoder())
    _LOG = BagStateSpec("log", BytesCoder())
    _TICK = TimerSpec("tick", TimeDomain.WATERMARK)
    _HEADER_PARAM = beam.DoFn.StateParam(_HEADER)
    _LOG_PARAM = beam.DoFn.StateParam(_LOG)
    _TICK_PARAM = beam.DoFn.TimerParam(_TICK)

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        self._outputs = _Outputs()
        # One fence a process: the next bundle of a shard may run in another instance.
        self._shared = Shared()

    def display_data(self) -> dict[str, Any]:
        """Show what the state is kept for, which the update of a job must not change."""
        return {"horizon": self._retention.horizon, **shown_layouts(_Header, EventPack)}

    def setup(self) -> None:
        """Find the copies that this process holds."""
        self._fence: Fence[SeenIds] = self._shared.acquire(Fence)

    def start_bundle(self) -> None:
        """Number the bundle as no other."""
        self._bundle = int.from_bytes(os.urandom(7), "big") + 1

    def process(
        self,
        element: tuple[int, EventPack],
        timestamp: Any = beam.DoFn.TimestampParam,
        header: Any = _HEADER_PARAM,
        log: Any = _LOG_PARAM,
        timer: Any = _TICK_PARAM,
    ) -> Iterator[Any]:
        """Sort one pack."""
        shard, pack = element
        known, seen = self._take(shard, header, log)
        newest = _newest(pack)
        moment = _at_most(newest, _moment(timestamp, pack))
        target = known.clock.seen(moment, self._bundle)
        if target is not None:
            timer.set(_timestamp(target))
        known.newest = max(known.newest, newest)
        arrival = self._arrival(known, moment)
        if arrival.dated:
            seen.date(arrival)
        verdict, entry = seen.admit(pack.ids, pack.contents, pack.event_times, arrival)
        if entry:
            log.add(entry)
        self._put(shard, known, seen, header, log)
        reached = max(known.clock.lower, _at_most(newest, timestamp.micros))
        yield from self._outputs.of(pack, verdict, reached)

    @on_timer(_TICK)
    def tick(
        self,
        shard: Any = beam.DoFn.KeyParam,
        timestamp: Any = beam.DoFn.TimestampParam,
        header: Any = _HEADER_PARAM,
        log: Any = _LOG_PARAM,
        timer: Any = _TICK_PARAM,
    ) -> None:
        """Forget what has expired; stop when nothing is left to forget."""
        known, seen = self._take(shard, header, log)
        target = known.clock.fired(timestamp.micros, self._bundle)
        seen.drop(known.clock.lower)
        if not len(seen) and known.clock.is_idle():
            known.clock.rest()
        elif target is not None:
            timer.set(_timestamp(target))
        self._put(shard, known, seen, header, log)

    def _arrival(self, known: _Header, moment: int) -> Anchor:
        """Take the clock's bound if it is near what has passed.

        A far one would keep ids for far too long; before the first tick it is but a timestamp.
        """
        clock = known.clock
        begun = clock.lower > MIN_MICROS
        if begun and clock.bound - clock.lower <= self._retention.horizon:
            return Anchor(clock.bound, dated=True, newest=known.newest)
        return Anchor(max(moment, clock.lower), dated=False, newest=known.newest)

    def _take(self, shard: int, header: Any, log: Any) -> tuple[_Header, SeenIds]:
        saved = header.read()
        if not saved:
            self._fence.take(shard, None)
            return _Header(b"", WatermarkClock(self._retention.tick)), SeenIds(self._retention)
        known = msgspec.msgpack.decode(saved, type=_Header)
        seen = self._fence.take(shard, known.nonce)
        if seen is None:
            seen = SeenIds.load(self._retention, log.read(), known.clock.lower)
        return known, seen

    def _put(self, shard: int, known: _Header, seen: SeenIds, header: Any, log: Any) -> None:
        snapshot = seen.compact()
        if snapshot is not None:
            log.clear()
            for entry in snapshot:
                log.add(entry)
        known.nonce = self._fence.put(shard, seen)
        header.write(msgspec.msgpack.encode(known))


class ChooseSurvivors(beam.DoFn):
    """Sorts the packs of one shard, all of them at once."""

    def __init__(self) -> None:
        self._outputs = _Outputs()

    def process(self, element: tuple[int, Iterable[EventPack]]) -> Iterator[Any]:
        """Sort one group, which is read three times."""
        for pack, verdict in survivors(element[1]):
            yield from self._outputs.of(pack, verdict, MIN_MICROS)


def _unique(pack: EventPack, verdict: Verdict) -> EventPack:
    gone = [*verdict.duplicates, *verdict.conflicts]
    # To leave out a few takes half the time of picking the many.
    if 2 * len(gone) < len(pack):
        return pack.without(sorted(gone))
    return pack.take(verdict.unique)


def _moment(timestamp: Any, pack: EventPack) -> int:
    """Return the element's time, or where it has none the least event time, in microseconds."""
    return min(pack.event_times) if timestamp <= MIN_TIMESTAMP else int(timestamp.micros)


def _at_most(newest: int, time: int) -> int:
    """Cut a time to the newest publish time, if one is known.

    A timestamp attribute may lie in the future; no watermark is ahead of the publish time.
    """
    return time if newest == MIN_MICROS else min(time, newest)


def _newest(pack: EventPack) -> int:
    """Return the latest publish time of a pack in microseconds; where none is known the least."""
    known = (time for time in pack.raw.publish_times or () if time is not None)
    return max(known, default=MIN_MICROS)


def _timestamp(micros: int) -> Timestamp:
    return Timestamp(micros=max(micros, MIN_TIMESTAMP.micros))
