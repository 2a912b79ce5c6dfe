"""The events of one shard that are kept, where all copies of each are in one place."""

from collections.abc import Callable, Iterable, Iterator
from itertools import compress

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from schemas.events import RawEvent
from schemas.packs import EventPack
from schemas.refusal import Refusal
from schemas.rejected import Reason, reject
from schemas.sealed_packs import heads_in, opened
from transforms.counters import counter, rejected_counter
from transforms.find_copies import CONFLICTS, ChooseSurvivors
from transforms.garbage import settle
from transforms.make_rows import Curation, Readings, RowMaker
from transforms.repeated_heads import RepeatedHeads

__all__ = ["REJECTED", "ChooseEvents", "Group"]

REJECTED = "rejected"
STEP = "Decode"
_HELD_BYTES = 64_000_000

Group = tuple[int, Iterable[bytes]]
"""A shard with its sealed packs, which may be read again and again."""


class ChooseEvents(beam.DoFn):
    """What is done with a group before its rows go anywhere; the end of it is the subclass's.

    Accepts and refuses what `DecodePacks` does and keeps of each event the copy that
    `DeduplicatePacks` keeps in batch. Held at a time are one pack and the events that may be
    copies; where these take more than `held_bytes`, they are decoded again instead.
    """

    held_bytes = _HELD_BYTES

    def __init__(self, curation: Curation) -> None:
        self._curation = curation
        self._survivors = ChooseSurvivors()
        self._accepted = counter("accepted")
        self._rejected = {reason: rejected_counter(reason.value) for reason in Reason}

    def setup(self) -> None:
        """Load the key and compile the contracts."""
        settle()
        self.maker = RowMaker(self._curation)

    def chosen(self, group: Group) -> Iterator[Readings | TaggedOutput]:
        """Return the unique events of a group; its conflicts and what is refused are tagged."""
        shard, packs = group
        repeated = RepeatedHeads(map(heads_in, packs))
        copies = _Copies(lambda: self._copies(packs, repeated), self.held_bytes)
        for each in packs:
            raw = opened(each)
            readings, refused = self.maker.read(raw)
            for place, refusal in refused:
                yield self._refuse(raw.row(place), refusal)
            rows = _rows_of(repeated.places(heads_in(each)), [place for place, _ in refused])
            if rows:
                copies.add(readings.take(rows))
                readings = readings.without(rows)
            yield self._counted(readings)
        for found in self._survivors.process((shard, copies)):
            if not isinstance(found, TaggedOutput):
                # They are few: to decode them again costs less than to hold them decoded.
                yield self._counted(self.maker.read(found.raw)[0])
            elif found.tag == CONFLICTS:
                yield found

    def _copies(self, packs: Iterable[bytes], repeated: RepeatedHeads) -> Iterator[EventPack]:
        for each in packs:
            places = repeated.places(heads_in(each))
            if places:
                yield self.maker.read(opened(each).take(places))[0].pack()

    def _counted(self, unique: Readings) -> Readings:
        self._accepted.inc(len(unique.times))
        return unique

    def _refuse(self, raw: RawEvent, refusal: Refusal) -> TaggedOutput:
        self._rejected[refusal.reason].inc()
        rejected = reject(raw, STEP, refusal.reason, refusal.detail, refusal.event_time)
        return TaggedOutput(REJECTED, rejected)


class _Copies:
    """Events that may be copies: held while they are few, else decoded again whenever asked for."""

    def __init__(self, again: Callable[[], Iterator[EventPack]], most: int) -> None:
        self._again, self._most = again, most
        self._held: list[EventPack] | None = []
        self._size = 0

    def add(self, events: Readings) -> None:
        """Hold some more, if there is room."""
        if self._held is not None:
            self._held.append(events.pack())
            self._size += self._held[-1].estimated_bytes()
            if self._size > self._most:
                self._held = None

    def __iter__(self) -> Iterator[EventPack]:
        return self._again() if self._held is None else iter(self._held)


def _rows_of(places: list[int], refused: list[int]) -> list[int]:
    """Return where the events of some places of a pack are, when what is refused is not there."""
    if not refused or not places:
        return places
    stays = bytearray(b"\1") * (max(places[-1], refused[-1]) + 1)
    for place in refused:
        stays[place] = 0
    rows = {place: row for row, place in enumerate(compress(range(len(stays)), stays))}
    return [rows[place] for place in places if place in rows]
