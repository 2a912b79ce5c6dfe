"""The ids that one shard has seen: the logic of dedupe, without Beam.

An id is kept with 4 bytes of its content in a bucket of time, and leaves with its whole bucket.
What is saved is a log of packed changes, whose entries may be read back in any order.
"""

from collections.abc import Iterable, Sequence
from sys import byteorder
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from schemas.events import MIN_MICROS
from transforms.id_table import IdRows, IdTable
from transforms.seen_log import ROW_BYTES, LogSize, bytes_of, log_of, rows_of, segment, segments
from transforms.slot_groups import SlotGroups, by_slot

__all__ = ["Anchor", "Retention", "SeenIds", "Verdict"]

_Numbers: TypeAlias = NDArray[np.int64]

_CHECK_BYTES = 4
_FEW = 20
_MOST = (1 << 63) - 1
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
    takes about 40 bytes (`IdTable`).

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
        self._table = IdTable()
        self._groups = SlotGroups()
        self._log = LogSize()
        self._moved = False

    def __len__(self) -> int:
        return len(self._groups)

    @classmethod
    def load(cls, retention: Retention, entries: Iterable[bytes], lower: int) -> "SeenIds":
        """Read the log back, in any order; what has expired at watermark `lower` is passed over."""
        seen, kept = cls(retention), list[tuple[int, bytes]]()
        for entry in entries:
            seen._log.add(entry)
            kept += (each for each in segments(entry) if seen._expiry(each[0]) > lower)
        sizes = [len(rows) // ROW_BYTES for _, rows in kept]
        slots = np.repeat(np.array([slot for slot, _ in kept], np.int64), sizes)
        seen._claim(rows_of(b"".join(rows for _, rows in kept)), slots)
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
        if len(ids) < _FEW:
            return self._admit_few(zip(ids, contents, event_times, strict=True), arrival)
        first, last = self._range(arrival)
        buckets = np.minimum(np.maximum(_times(event_times) // self._retention.tick, first), last)
        rows, slots = IdRows.of(ids, contents), 2 * buckets + (not arrival.dated)
        owners, fresh = self._claim(rows, slots)
        verdict = Verdict(fresh.nonzero()[0].tolist(), [], [], [])
        known = len(verdict.unique)
        if known < len(ids):
            rest = (~fresh).nonzero()[0]
            columns = (column[rest].tolist() for column in (owners, rows.checks, slots))
            for found in zip(rest.tolist(), *columns, strict=True):
                self._judge(verdict, self._table.columns, *found)
        if len(verdict.unique) > known:
            verdict.unique.sort()
        return verdict, self._append(rows, slots, verdict.unique)

    def date(self, arrival: Anchor) -> None:
        """Give the undated ids this dated anchor: the watermark was below it after they came.

        Only ids of earlier bundles may be undated when this is called.
        """
        first, last = self._range(arrival)
        for slot in [slot for slot in self._groups.slots() if slot & 1]:
            self._groups.move(slot, 2 * min(max(slot >> 1, first), last))
            self._moved = True

    def drop(self, lower: int) -> None:
        """Forget the buckets that have expired at watermark `lower`."""
        for slot in self._groups.slots():
            if self._expiry(slot) <= lower:
                self._groups.forget(slot)
        if 2 * len(self) < len(self._table):
            self._table.purge(self._groups.kept())
            self._groups.reuse()

    def compact(self) -> list[bytes] | None:
        """Return what the log is to be replaced with, or None while it is compact enough.

        It is replaced when a sixth of it is waste (expired rows, headers), when it has as many
        entries as half its ids, or when undated ids have been dated.
        """
        least = ROW_BYTES * len(self) + 6 * len(self._groups.slots())
        crowded = self._log.entries > 64 + len(self) // 2
        wasteful = self._log.size > (least * 6 // 5 + 256 if least else 0)
        if not (self._moved or crowded or wasteful):
            return None
        self._log, self._moved = LogSize(), False
        snapshot = list(log_of(self._table.rows, self._groups))
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

    def _make_room(self, more: int) -> None:
        if self._table.make_room(more, self._groups.kept):
            self._groups.reuse()

    def _claim(self, rows: IdRows, slots: _Numbers) -> tuple[_Numbers, NDArray[np.bool_]]:
        """Find the rows in the table; put those that are new into their slots."""
        self._make_room(len(slots))
        owners, fresh = self._table.claim(rows)
        new, groups = owners, self._table.rows.groups
        if not fresh.all():
            new, slots = owners[fresh], slots[fresh]
        for slot, some in by_slot(slots):
            groups[new[some]] = self._groups.add(slot, len(some))
        return owners, fresh

    def _admit_few(
        self, rows: Iterable[tuple[bytes, bytes, int]], arrival: Anchor
    ) -> tuple[Verdict, bytes]:
        """Do the same row by row: arrays cost more than they save."""
        first, last = self._range(arrival)
        self._make_room(_FEW)
        claim, held = self._table.claim_one, self._table.columns
        verdict, fresh = Verdict([], [], [], []), dict[int, list[bytes]]()
        for row, (identity, content, time) in enumerate(rows):
            bucket = min(max(time // self._retention.tick, first), last)
            slot, check = 2 * bucket + (not arrival.dated), content[:_CHECK_BYTES]
            number = int.from_bytes(check, byteorder)
            if self._judge(verdict, held, row, claim(identity), number, slot):
                fresh.setdefault(slot, []).append(identity + check)
        entry = b"".join(segment(slot, b"".join(parts)) for slot, parts in fresh.items())
        if entry:
            self._log.add(entry)
        return verdict, entry

    def _judge(
        self, verdict: Verdict, held: IdRows, row: int, owner: int, check: int, slot: int
    ) -> bool:
        """Sort a row whose id is in the table; return whether it is new or was forgotten."""
        first = self._groups.slot(held.groups.item(owner))
        if first is None:
            held.checks[owner], held.groups[owner] = check, self._groups.add(slot, 1)
            verdict.unique.append(row)
            return True
        if held.checks.item(owner) != check:
            verdict.conflicts.append(row)
        else:
            verdict.duplicates.append(row)
            distance = (slot >> 1) - (first >> 1)
            verdict.distances.append(max(0, distance) * self._retention.tick)
        return False

    def _append(self, rows: IdRows, slots: _Numbers, unique: list[int]) -> bytes:
        if len(unique) < len(slots):
            rows, slots = rows.chosen(np.array(unique, np.int64)), slots[unique]
        entry = b"".join(segment(slot, bytes_of(rows.chosen(of))) for slot, of in by_slot(slots))
        if entry:
            self._log.add(entry)
        return entry


def _times(event_times: Sequence[int]) -> _Numbers:
    try:
        return np.array(event_times, np.int64)
    except OverflowError:
        # Beyond what anything is kept for: any number as far out is cut to the same bucket.
        return np.array([min(max(time, -_MOST), _MOST) for time in event_times], np.int64)
