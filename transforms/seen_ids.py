"""The ids that one shard has seen: the logic of dedupe, without Beam.

An id is kept with 4 bytes of its content in a bucket of time, and leaves with its whole bucket.
What is saved is a log of packed changes, whose entries may be read back in any order.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from schemas.events import MIN_MICROS

__all__ = ["Anchor", "Retention", "SeenIds", "Verdict"]

_ROW = Struct(">16sI")
_CHECK_BITS = 32
_CHECK_MASK = (1 << _CHECK_BITS) - 1
_CHUNK_BYTES = 256 * 1024
_TICKS_PER_HORIZON = 32
_UNDATED_HORIZONS = 8


class Retention(NamedTuple):
    """How long ids are kept, in microseconds: `horizon` from the anchor, by buckets of `tick`.

    >>> Retention.of(3_200_000, max_future=0).tick
    100000
    """

    horizon: int
    tick: int
    max_future: int

    @classmethod
    def of(cls, horizon: int, max_future: int) -> "Retention":
        """Return the retention with ticks of a 32nd of the horizon, not below a millisecond."""
        return cls(horizon, max(horizon // _TICKS_PER_HORIZON, 1_000), max_future)


class Anchor(NamedTuple):
    """When a pack arrived, in microseconds.

    `dated`: the watermark was below `time`. Not dated: nothing bounds the watermark, and `time` is
    what it would be for an element that is on time. `newest`: the latest publish time that has been
    seen, as far as known; a watermark that is held back may be far behind it.
    """

    time: int
    dated: bool
    newest: int = MIN_MICROS


class Verdict(NamedTuple):
    """Row numbers of a pack by what they are.

    `distances`: microseconds from the first copy of a duplicate to the duplicate, as far as known.
    """

    unique: list[int]
    duplicates: list[int]
    conflicts: list[int]
    distances: list[int]


@dataclass
class _Log:
    size: int = 0
    entries: int = 0

    def add(self, entry: bytes) -> None:
        self.size += len(entry) + len(_varint(len(entry)))
        self.entries += 1


class SeenIds:
    """Ids by bucket, each kept until the watermark has passed its anchor + horizon.

    The anchor is the later of the event time (at most `max_future` ahead of the watermark or of the
    newest publish time, whichever is later) and of the watermark at arrival. Ids that came while
    nothing was known of the watermark are undated: they stay until `date` gives them the bound that
    a later bundle found, at the utmost for 8 horizons more, so that a shard that falls idle forgets
    them too. They have their horizon if the watermark was at most 8 horizons past the anchor's
    time. Their event time counts as far as `max_future` and 8 horizons ahead, so whatever a clock
    said they are gone when the watermark is 17 horizons and `max_future` past the anchor's time,
    or past the newest publish time where that is later.

    Buckets are numbered slots: twice the bucket's number, plus one if undated. In memory an id
    takes about 150 bytes (a dict entry, and the packed row for the next snapshot).

    >>> seen = SeenIds(Retention.of(horizon=32_000_000, max_future=0))
    >>> verdict, _ = seen.admit([b"a" * 16] * 2, [b"same"] * 2, [0, 0], Anchor(0, dated=True))
    >>> verdict.unique, verdict.duplicates
    ([0], [1])
    >>> seen.drop(34_000_000)
    >>> len(seen)
    0
    """

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        self._known: dict[bytes, int] = {}
        self._rows: dict[int, bytearray] = {}
        self._log = _Log()
        self._moved = False

    def __len__(self) -> int:
        return len(self._known)

    @classmethod
    def load(cls, retention: Retention, entries: Iterable[bytes], lower: int) -> "SeenIds":
        """Read the log back, in any order; what has expired at watermark `lower` is passed over."""
        seen = cls(retention)
        for entry in entries:
            seen._log.add(entry)
            for slot, rows in _segments(entry):
                if seen._expiry(slot) > lower:
                    seen._keep(slot, rows)
        return seen

    def admit(
        self,
        ids: Sequence[bytes],
        contents: Sequence[bytes],
        event_times: Sequence[int],
        arrival: Anchor,
    ) -> tuple[Verdict, bytes]:
        """Sort the rows of a pack and keep the unique ones; return also what the log is to gain.

        The first row with an id is unique; a later one is a duplicate if the first 4 bytes of its
        content are the same, else a conflict. Distances are exact to a tick.
        """
        known, tick = self._known, self._retention.tick
        first, last = self._range(arrival)
        undated = not arrival.dated
        verdict = Verdict([], [], [], [])
        fresh: dict[int, list[bytes]] = {}
        for row, (identity, content, time) in enumerate(
            zip(ids, contents, event_times, strict=True)
        ):
            bucket = min(max(time // tick, first), last)
            check = content[:4]
            value = (bucket * 2 + undated) << _CHECK_BITS | int.from_bytes(check, "big")
            held = known.get(identity)
            if held is None:
                known[identity] = value
                verdict.unique.append(row)
                fresh.setdefault(value >> _CHECK_BITS, []).append(identity + check)
            elif (held ^ value) & _CHECK_MASK:
                verdict.conflicts.append(row)
            else:
                verdict.duplicates.append(row)
                verdict.distances.append(max(0, bucket - (held >> _CHECK_BITS + 1)) * tick)
        return verdict, self._append(fresh)

    def date(self, arrival: Anchor) -> None:
        """Give the undated ids this dated anchor: the watermark was below it after they came.

        Only ids of earlier bundles may be undated when this is called.
        """
        first, last = self._range(arrival)
        for slot in [slot for slot in self._rows if slot & 1]:
            self._keep(2 * min(max(slot >> 1, first), last), self._rows.pop(slot))
            self._moved = True

    def drop(self, lower: int) -> None:
        """Forget the buckets that have expired at watermark `lower`."""
        for slot in [slot for slot in self._rows if self._expiry(slot) <= lower]:
            for identity, _ in _ROW.iter_unpack(self._rows.pop(slot)):
                del self._known[identity]

    def compact(self) -> list[bytes] | None:
        """Return what the log is to be replaced with, or None while it is compact enough.

        It is replaced when a sixth of it is waste (expired rows, headers), when it has as many
        entries as half its ids, or when undated ids have been dated.
        """
        least = _ROW.size * len(self._known) + 6 * len(self._rows)
        crowded = self._log.entries > 64 + len(self._known) // 2
        wasteful = self._log.size > (least * 6 // 5 + 256 if least else 0)
        if not (self._moved or crowded or wasteful):
            return None
        self._log, self._moved = _Log(), False
        snapshot = list(self._snapshot())
        for entry in snapshot:
            self._log.add(entry)
        return snapshot

    def _range(self, arrival: Anchor) -> tuple[int, int]:
        """Return the first and the last bucket that an id arriving then may enter."""
        horizon, tick, ahead = self._retention
        ahead += 0 if arrival.dated else _UNDATED_HORIZONS * horizon
        return arrival.time // tick, (max(arrival.time, arrival.newest) + ahead) // tick

    def _expiry(self, slot: int) -> int:
        horizons = 1 + (slot & 1) * _UNDATED_HORIZONS
        return ((slot >> 1) + 1) * self._retention.tick + horizons * self._retention.horizon

    def _keep(self, slot: int, rows: bytes | bytearray) -> None:
        self._rows.setdefault(slot, bytearray()).extend(rows)
        high = slot << _CHECK_BITS
        self._known.update((identity, high | check) for identity, check in _ROW.iter_unpack(rows))

    def _append(self, fresh: dict[int, list[bytes]]) -> bytes:
        segments = []
        for slot, parts in fresh.items():
            rows = b"".join(parts)
            self._rows.setdefault(slot, bytearray()).extend(rows)
            segments.append(_segment(slot, rows))
        entry = b"".join(segments)
        if entry:
            self._log.add(entry)
        return entry

    def _snapshot(self) -> Iterator[bytes]:
        chunk = bytearray()
        for slot, rows in self._rows.items():
            chunk += _segment(slot, rows)
            if len(chunk) >= _CHUNK_BYTES:
                yield bytes(chunk)
                chunk.clear()
        if chunk:
            yield bytes(chunk)


def _segment(slot: int, rows: bytes | bytearray) -> bytes:
    """Pack one slot: its number (zigzag), how many rows, the rows."""
    number = slot << 1 if slot >= 0 else (-slot << 1) - 1
    return _varint(number) + _varint(len(rows) // _ROW.size) + rows


def _segments(entry: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(entry):
        number, position = _read_varint(entry, position)
        count, position = _read_varint(entry, position)
        end = position + count * _ROW.size
        yield (-(number + 1 >> 1) if number & 1 else number >> 1), entry[position:end]
        position = end


def _varint(number: int) -> bytes:
    packed = bytearray()
    while number > 0x7F:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _read_varint(entry: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = entry[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, position
