"""Decodes the events of packs again, as dedupe knew digests only, and pseudonymises them.

Plain logic without Beam, for the steps that look into events.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas.compression import ENCODING
from schemas.contract_set import Contracts
from schemas.decoder import Decoder, Refusal
from schemas.events import RawEvent
from schemas.field_types import FieldType
from schemas.late import LateEvent, late_event
from schemas.packs import EventPack, RawPack, without
from schemas.partial_records import partial_contracts, partial_decoder
from schemas.personal_fields import asks
from schemas.pseudonym import Key, Pseudonymiser, needs_key, ring_of
from schemas.rejected import Reason, Rejected, reject
from schemas.unknown_fields import drift_names
from schemas.usual_events import decode_each

__all__ = ["RereadEvents", "WholeEvent"]

_TIME = "event_timestamp"
_UNREADABLE = (ValueError, msgspec.DecodeError, RecursionError)
_NO_LONGER = Refusal(Reason.BAD_VALUE, "event: refused when it was decoded again")
_encode = msgspec.msgpack.Encoder().encode


class WholeEvent(NamedTuple):
    """A pseudonymised record with all its fields, its unknown ones as JSON, and where it is from.

    `event_time` is in microseconds.
    """

    record: Any
    drift: str | None
    event_time: int
    raw: RawEvent


class RereadEvents:
    """Gives the records of packs, their personal values pseudonymised.

    It holds the key, so it cannot be pickled: make it in each process.

    Args:
        contracts: of all event types.
        pseudonym_key: where the key is (see `schemas.pseudonym`); None if nothing is personal.
        max_event_bytes: as given to the decoder before.
        paths: what is read of records, by event type; None: everything. Records may have more, and
            lack the event time.
    """

    def __init__(
        self,
        contracts: Contracts,
        pseudonym_key: Key,
        max_event_bytes: int,
        paths: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._contracts = contracts
        self._max_event_bytes = max_event_bytes
        self._ring = ring_of(contracts, pseudonym_key)
        self._part = None if paths is None else _Part(contracts, paths, self._ring)
        self.taken = 0
        """Bytes of what was decoded, inflated ones too: how much whoever keeps values may hold."""

    def records(self, pack: EventPack) -> list[Any]:
        """Return the record of each event, in order; None where the contracts now refuse it."""
        raw = pack.raw
        self.taken += sum(map(len, raw.payloads))
        if self._part is None:
            return [self._whole(raw, row) for row in range(len(raw))]
        records, failed = self._part.records(raw)
        for row in failed:
            records.insert(row, self._whole(raw, row))
        return records

    def _whole(self, raw: RawPack, row: int) -> Any:
        """Return all of an event: what is not plain JSON is opened by this way alone."""
        given = raw.attributes[row] if raw.attributes else {}
        try:
            record = self._decoder.reread(raw.payloads[row], given)
        except _UNREADABLE:
            return None
        if ENCODING in given:
            self.taken += len(_encode(record))
        published = raw.publish_times[row] if raw.publish_times else None
        return self._pseudonymiser.apply(record, published)

    # Both are made when the first event asks for them: most jobs never need them.
    @functools.cached_property
    def _decoder(self) -> Decoder:
        return Decoder(self._contracts, max_event_bytes=self._max_event_bytes)

    @functools.cached_property
    def _pseudonymiser(self) -> Pseudonymiser:
        return Pseudonymiser(self._contracts, self._ring)

    def rejected(self, pack: EventPack, row: int, step: str) -> Rejected:
        """Return what the quarantine keeps of an event that the contracts now refuse."""
        raw = pack.raw.row(row)
        read = self._decoder.read(raw.payload, raw.attributes, None)
        refusal = read if isinstance(read, Refusal) else _NO_LONGER
        return reject(raw, step, refusal.reason, refusal.detail, pack.event_times[row])

    def whole(self, pack: EventPack, row: int) -> WholeEvent | None:
        """Return all of an event, to give it out as late; None where the contracts now refuse it.

        That may also be in a field that is not read, so it is to be asked before an event counts.
        """
        raw = pack.raw.row(row)
        try:
            record, drift = self._decoder.reread_whole(raw.payload, raw.attributes)
        except _UNREADABLE:
            return None
        self._pseudonymiser.apply(record, raw.publish_time)
        return WholeEvent(record, drift, pack.event_times[row], raw)

    def late(self, event: WholeEvent, late_for: Sequence[str] = ()) -> LateEvent:
        """Return the late form of an event."""
        record, drift, event_time, raw = event
        unknown = drift_names(drift, self._fields(record)) if drift else []
        return late_event(record, event_time, raw, unknown, late_for)

    def _fields(self, record: Any) -> dict[str, FieldType]:
        details = self._contracts.types[type(record).__struct_config__.tag].fields
        envelope = self._contracts.envelope.fields
        return {**envelope, "event_details": FieldType(kind="record", fields=details)}


class _Part:
    """Decodes what paths lead to, and nothing else: an event was checked before dedupe."""

    def __init__(
        self, contracts: Contracts, paths: Mapping[str, Collection[str]], key: Key
    ) -> None:
        read = {name: {*each} - {_TIME} for name, each in paths.items()}
        part = partial_contracts(contracts, read)
        self._hides: Pseudonymiser | None = None
        if needs_key(part):
            # It chooses the key by the event's own time where there is no publish time.
            part = partial_contracts(contracts, {n: {*each, _TIME} for n, each in read.items()})
        if _is_personal(part):
            self._hides = Pseudonymiser(part, key)
        self._decode = partial_decoder(part)

    def records(self, raw: RawPack) -> tuple[list[Any], list[int]]:
        """Return the records that could be decoded, and the rows of the others."""
        records, failed = decode_each(self._decode, raw.payloads, _UNREADABLE)
        if self._hides is not None:
            hides = without([*self._hides.each(raw)], failed)
            records = [hide(record) for hide, record in zip(hides, records, strict=True)]
        return records, failed


def _is_personal(contracts: Contracts) -> bool:
    fields = [
        *contracts.envelope.fields.values(),
        *(field for each in contracts.types.values() for field in each.fields.values()),
    ]
    return any(asks(field, pii) for field in fields for pii in ("pseudonymise", "drop"))
