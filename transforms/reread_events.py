"""Decodes the events of packs again, as dedupe knew digests only, and pseudonymises them.

Plain logic without Beam, for the steps that look into events.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from schemas.compression import ENCODING
from schemas.contract_set import Contracts
from schemas.decoder import Decoder, Refusal
from schemas.field_types import FieldType
from schemas.late import LateEvent, late_event
from schemas.packs import EventPack
from schemas.pseudonym import Pseudonymiser
from schemas.rejected import Reason, Rejected, reject
from schemas.unknown_fields import drift_names

__all__ = ["RereadEvents"]

_NO_ATTRIBUTES: dict[str, str] = {}
_UNREADABLE = (ValueError, msgspec.DecodeError, RecursionError)
_NO_LONGER = Refusal(Reason.BAD_VALUE, "event: refused when it was decoded again")
_encode = msgspec.msgpack.Encoder().encode


class RereadEvents:
    """Gives the records of packs, their personal values pseudonymised.

    It holds the key, so it cannot be pickled: make it in each process.

    Args:
        contracts: of all event types.
        pseudonym_key: where the key is (see `schemas.pseudonym`); None if nothing is personal.
        max_event_bytes: as given to the decoder before.
    """

    def __init__(
        self, contracts: Contracts, pseudonym_key: str | None, max_event_bytes: int
    ) -> None:
        self._contracts = contracts
        self._decoder = Decoder(contracts, max_event_bytes=max_event_bytes)
        self._pseudonymiser = Pseudonymiser(contracts, pseudonym_key)
        self.taken = 0
        """Bytes of what was decoded, inflated ones too: how much whoever keeps values may hold."""

    def records(self, pack: EventPack) -> Iterator[Any]:
        """Yield the record of each event, in order; None where the contracts now refuse it."""
        payloads, reread = pack.raw.payloads, self._decoder.reread
        attributes = pack.raw.attributes or [_NO_ATTRIBUTES] * len(payloads)
        hides = self._pseudonymiser.each(pack.raw)
        self.taken += sum(map(len, payloads))
        for payload, given, hide in zip(payloads, attributes, hides, strict=True):
            try:
                record = reread(payload, given)
            except _UNREADABLE:
                yield None
                continue
            if given and ENCODING in given:
                self.taken += len(_encode(record))
            yield hide(record)

    def rejected(self, pack: EventPack, row: int, step: str) -> Rejected:
        """Return what the quarantine keeps of an event that the contracts now refuse."""
        raw = pack.raw.row(row)
        read = self._decoder.read(raw.payload, raw.attributes, None)
        refusal = read if isinstance(read, Refusal) else _NO_LONGER
        return reject(raw, step, refusal.reason, refusal.detail, pack.event_times[row])

    def whole(
        self, record: Any, pack: EventPack, row: int, late_for: Sequence[str] = ()
    ) -> LateEvent:
        """Return the late form of an event whose record was yielded."""
        raw = pack.raw.row(row)
        read = self._decoder.read(raw.payload, raw.attributes, None)
        drift = None if isinstance(read, Refusal) else read[2]
        unknown = drift_names(drift, self._fields(record)) if drift else []
        return late_event(record, pack.event_times[row], raw, unknown, late_for)

    def _fields(self, record: Any) -> dict[str, FieldType]:
        details = self._contracts.types[type(record).__struct_config__.tag].fields
        envelope = self._contracts.envelope.fields
        return {**envelope, "event_details": FieldType(kind="record", fields=details)}
