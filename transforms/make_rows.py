"""Reads packed messages and makes the rows of their events: what batch does where it has copies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

from schemas.content import content_digest, id_digest
from schemas.contract import Contracts
from schemas.coverage import Coverage
from schemas.decoder import Decoder, Record
from schemas.packs import EventPack, RawPack
from schemas.pseudonym import Pseudonymiser
from schemas.refusal import Refusal
from schemas.silver_rows import SilverTable, drift_row, endings_of, masked_in
from schemas.times import DAY
from transforms.counters import counter

__all__ = ["NO_TABLE", "Curation", "Made", "Readings", "RowMaker"]

NO_TABLE = -1
"""Stands for the table of an event that becomes no row."""
_ALL_TIME = Coverage()

Made = tuple[int, bytes, bytes]
"""Number of the table, row, row of the drift table; empty where there is none."""


@dataclass(frozen=True)
class Curation:
    """How messages become rows; the same wherever it is done, so it can travel.

    Args:
        contracts: of all event types; tables have the numbers of their places in `types`.
        pseudonym_key: where the key is (see `schemas.pseudonym`); None if nothing is personal.
        now: stands in for the publish time where there is none, and is the time of ingestion of
            all rows, in microseconds.
        max_future: microseconds that an event may lie ahead of its publish time.
        max_event_bytes: the largest payload, as received and inflated.
        span: event times whose events become rows.
    """

    contracts: Contracts
    pseudonym_key: str | None
    now: int
    max_future: int = DAY
    max_event_bytes: int = 1_000_000
    span: Coverage = _ALL_TIME

    def __post_init__(self) -> None:
        """Check the bounds."""
        for name, least in (("max_future", 0), ("max_event_bytes", 1)):
            if getattr(self, name) < least:
                msg = f"{name} is {getattr(self, name)}; give {least} or more"
                raise ValueError(msg)


class Readings(NamedTuple):
    """Events of a pack that were accepted, column by column: decoded, and as they came."""

    records: Sequence[Record]
    drifts: Sequence[str | None]
    contents: list[bytes]
    times: Sequence[int]
    raw: RawPack

    def take(self, rows: Sequence[int]) -> "Readings":
        """Return those of the given rows."""
        return Readings(
            [self.records[row] for row in rows],
            [self.drifts[row] for row in rows],
            [self.contents[row] for row in rows],
            [self.times[row] for row in rows],
            self.raw.take(rows),
        )

    def without(self, rows: Sequence[int]) -> "Readings":
        """Return all but the given rows, which ascend."""
        stays = bytearray(b"\1") * len(self.times)
        for row in rows:
            stays[row] = 0
        return Readings(
            [*compress(self.records, stays)],
            [*compress(self.drifts, stays)],
            [*compress(self.contents, stays)],
            [*compress(self.times, stays)],
            self.raw.without(rows),
        )

    def pack(self) -> EventPack:
        """Return the events as dedupe takes them; before rows are made, which may hide the ids."""
        ids = [id_digest(record.event_id) for record in self.records]
        return EventPack(ids, self.contents, [*self.times], self.raw)


class RowMaker:
    """Decodes messages, and makes rows of what was decoded; holds the key, so it is not pickled."""

    def __init__(self, given: Curation) -> None:
        contracts = given.contracts
        self._read = Decoder(contracts, given.max_future, given.max_event_bytes).read_pack
        self._pseudonymiser = Pseudonymiser(contracts, given.pseudonym_key)
        self._tables = {
            name: (number, SilverTable(contracts, name).row)
            for number, name in enumerate(contracts.types)
        }
        self._by_kind: dict[Any, Any] = {}
        self._now, self._span = given.now, given.span
        self._masked = counter("unknown_names_masked")

    def read(self, raw: RawPack) -> tuple[Readings, list[tuple[int, Refusal]]]:
        """Return what was accepted, in order, and what was refused with its place in the pack."""
        readings = self._read(raw, self._now)
        refused = [
            (place, each) for place, each in enumerate(readings) if isinstance(each, Refusal)
        ]
        if refused:
            raw = raw.without([place for place, _ in refused])
        good: Any = [each for each in readings if not isinstance(each, Refusal)]
        records, times, drifts = zip(*good, strict=True) if good else ((), (), ())
        # Before the rows are made, which hides what is personal.
        contents = [*map(content_digest, records, drifts)]
        return Readings(records, drifts, contents, times, raw), refused

    def rows(self, given: Readings) -> Iterator[Made]:
        """Return the rows of each event; of one reading only once."""
        by_kind, span = self._by_kind, self._span
        everything = span.is_everything
        endings = endings_of(given.contents, given.raw, self._now)
        hides = self._pseudonymiser.each(given.raw)
        columns = zip(given.records, given.drifts, given.times, endings, hides, strict=True)
        for record, drift, time, ending, hide in columns:
            if not everything and not span.holds(time, 1):
                yield NO_TABLE, b"", b""
                continue
            kind = type(record)
            table, encode = by_kind.get(kind) or self._begin(kind)
            row = encode(hide(record), ending, drift)
            drifted = b""
            if drift is not None:
                if masked := masked_in(row):
                    self._masked.inc(masked)
                drifted = drift_row(kind.__struct_config__.tag, record, ending, drift)
            yield table, row, drifted

    def _begin(self, kind: Any) -> Any:
        begun = self._by_kind[kind] = self._tables[kind.__struct_config__.tag]
        return begun
