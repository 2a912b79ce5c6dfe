"""Decodes messages by their contracts: strictly, in one pass, with a careful way for the rest."""

import functools
import operator
from collections.abc import Mapping
from itertools import repeat
from typing import Any

import msgspec

from schemas.careful_reading import CarefulReading
from schemas.compression import ENCODING, inflate, is_gzip
from schemas.contract_set import Contracts
from schemas.event_bounds import EARLIEST, LATEST, MAX_ID_BYTES, fits, out_of_range
from schemas.events import RawEvent
from schemas.field_types import FieldType
from schemas.normalise import Normalise, compile_normaliser
from schemas.packs import RawPack, without
from schemas.record_types import Record, event_structs
from schemas.refusal import Refusal, UnusableError, is_final, refusal_of
from schemas.rejected import Reason
from schemas.stamps import is_finer, readable_time
from schemas.times import DAY, all_micros, micros
from schemas.usual_events import SHORT, decode_each, has_seven_digits, unusual_rows

__all__ = ["EARLIEST", "MAX_ID_BYTES", "Decoder", "Reading", "Record", "Refusal"]

Reading = tuple[Record, int, str | None]
"""A record, its event time in microseconds, and its drift as JSON text or None."""

_IDS = ("event_id", "user_id", "session_id")
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NO_ATTRIBUTES: dict[str, str] = {}
_EMPTY = Refusal(Reason.EMPTY_PAYLOAD, "payload: no bytes")


class Decoder:
    """Decodes payloads into records; picklable, its types are made anew in each process.

    Never raises, whatever bytes come. Strict first; what the strict decoder refuses is read
    carefully, which gives the reason, or sets unknown fields apart and decodes the others.

    Args:
        contracts: the event types that are known.
        max_future: how far an event time may lie ahead of the publish time, in microseconds.
        max_event_bytes: the largest payload, as received and inflated.
    """

    def __init__(
        self, contracts: Contracts, max_future: int = DAY, max_event_bytes: int = 1_000_000
    ) -> None:
        self._options = (contracts, max_future, max_event_bytes)
        self._max_future = max_future
        self._max_bytes = max_event_bytes
        structs = event_structs(contracts)
        self._strict = msgspec.json.Decoder(functools.reduce(operator.or_, structs.values())).decode
        self._careful = CarefulReading(contracts)
        self._normalisers = _normalisers(contracts, structs)

    def __reduce__(self) -> tuple[type["Decoder"], tuple[Contracts, int, int]]:
        return Decoder, self._options

    def decode(self, raw: RawEvent, now: int | None) -> Record | Refusal:
        """Decode a message. `now` stands in for the publish time where the source has none."""
        reference = now if raw.publish_time is None else raw.publish_time
        read = self.read(raw.payload, raw.attributes, reference)
        return read if isinstance(read, Refusal) else read[0]

    def read(
        self, payload: bytes, attributes: Mapping[str, str] | None, reference: int | None
    ) -> Reading | Refusal:
        """Decode a payload, with event time and drift.

        Args:
            payload: as received.
            attributes: of the message; `content-encoding: gzip` is undone.
            reference: the publish time in microseconds; None: the future has no bound.
        """
        if not 0 < len(payload) <= self._max_bytes or (attributes and ENCODING in attributes):
            opened = self._open(payload, attributes or {})
            if isinstance(opened, Refusal):
                return opened
            payload = opened
        try:
            record = self._strict(payload)
        except _DECODE_ERRORS as error:
            return self._read_carefully(payload, error, reference)
        return self._accept(record, payload, reference, None)

    def read_pack(self, pack: RawPack, now: int | None) -> list[Reading | Refusal]:
        """Return what `read` does of each message, quicker; `now` stands in as in `decode`."""
        # Where the future has no bound of its own, it has that of all events.
        latest = LATEST if now is None else now
        times = pack.publish_times or [None] * len(pack)
        references = [latest if time is None else time for time in times]
        payloads, attributes = pack.payloads, pack.attributes
        largest = max(map(len, payloads), default=0)
        encoded = any(map(operator.contains, attributes or (), repeat(ENCODING)))
        if largest <= self._max_bytes and not encoded:
            return self._read_plain(payloads, references)
        given = attributes or [_NO_ATTRIBUTES] * len(pack)
        apart = [
            row
            for row, payload in enumerate(payloads)
            if len(payload) > self._max_bytes or ENCODING in given[row]
        ]
        readings = self._read_plain(without(payloads, apart), without(references, apart))
        for row in apart:
            readings.insert(row, self.read(payloads[row], given[row], references[row]))
        return readings

    def _read_plain(self, payloads: list[bytes], references: list[int]) -> list[Reading | Refusal]:
        """Read payloads of which none is compressed or too large."""
        errors: list[Exception] = []
        records, failed = decode_each(self._strict, payloads, _DECODE_ERRORS, errors)
        if not failed:
            return self._judge(records, payloads, references)
        readings = self._judge(records, without(payloads, failed), without(references, failed))
        for row, error in zip(failed, errors, strict=True):
            payload = payloads[row]
            found = self._read_carefully(payload, error, references[row]) if payload else _EMPTY
            readings.insert(row, found)
        return readings

    def _judge(
        self, records: list[Record], payloads: list[bytes], references: list[int]
    ) -> list[Reading | Refusal]:
        """Return the readings of records that the strict decoder gave; for one, see `_accept`."""
        times = all_micros([record.event_timestamp for record in records])
        readings: list[Reading | Refusal] = [*zip(records, times, repeat(None))]
        odd = unusual_rows(records, times, payloads, references, self._max_future)
        for row in odd:
            readings[row] = self._accept(records[row], payloads[row], references[row], None)
        self._normalise_all(records, readings, set(odd))
        return readings

    def _normalise_all(
        self, records: list[Record], readings: list[Reading | Refusal], done: set[int]
    ) -> None:
        """Bring the details of all records but those that are done into their form."""
        normaliser_of = self._normalisers.get
        for row, normalise in enumerate(map(normaliser_of, map(type, records))):
            if normalise is not None and row not in done:
                try:
                    normalise(records[row].event_details)
                except UnusableError as error:
                    time = micros(records[row].event_timestamp)
                    readings[row] = Refusal(error.reason, str(error), time)

    def reread(self, payload: bytes, attributes: Mapping[str, str]) -> Record:
        """Decode a payload again that this decoder accepted; `ValueError` for any other."""
        try:
            known = self._strict(payload)
        except _DECODE_ERRORS:
            return self.reread_whole(payload, attributes)[0]
        return self._normalised(known)

    def reread_whole(
        self, payload: bytes, attributes: Mapping[str, str]
    ) -> tuple[Record, str | None]:
        """Decode such a payload again, and its drift."""
        try:
            known, drift = self._strict(payload), None
        except _DECODE_ERRORS:
            plain = self._open(payload, attributes) if ENCODING in attributes else payload
            known, drift = self._reread(plain)
        return self._normalised(known), drift

    def _reread(self, payload: bytes | Refusal) -> tuple[Record, str | None]:
        parted: tuple[Record, bytes, str | None] | Refusal
        if isinstance(payload, Refusal):
            parted = payload
        else:
            try:
                return self._strict(payload), None
            except _DECODE_ERRORS as error:
                parted = self._part(payload, error)
        if isinstance(parted, Refusal):
            message = f"reread of a payload that was never accepted: {parted.reason.value}"
            raise ValueError(message)
        return parted[0], parted[2]

    def _open(self, payload: bytes, attributes: Mapping[str, str]) -> bytes | Refusal:
        if len(payload) > self._max_bytes:
            rule = f"payload: more than {self._max_bytes} bytes"
            return Refusal(Reason.PAYLOAD_TOO_LARGE, rule)
        plain = payload
        if payload and is_gzip(attributes):
            inflated = inflate(payload, self._max_bytes)
            if isinstance(inflated, Refusal):
                return inflated
            plain = inflated
        return plain or _EMPTY

    def _read_carefully(
        self, payload: bytes, error: Exception, reference: int | None
    ) -> Reading | Refusal:
        parted = self._part(payload, error)
        if isinstance(parted, Refusal):
            return msgspec.structs.replace(parted, event_time=readable_time(payload))
        record, known, drift = parted
        return self._accept(record, known, reference, drift)

    def _part(self, payload: bytes, error: Exception) -> tuple[Record, bytes, str | None] | Refusal:
        found = self._careful.find(payload)
        if isinstance(found, Refusal):
            return found
        if is_final(error, payload):
            return refusal_of(error)
        parted = self._careful.part(found)
        if isinstance(parted, Refusal):
            return parted
        known, drift = parted
        try:
            return self._strict(known), known, drift
        except _DECODE_ERRORS as last:
            return refusal_of(last)

    def _accept(
        self, record: Record, known: bytes, reference: int | None, drift: str | None
    ) -> Reading | Refusal:
        event_time = micros(record.event_timestamp)
        # An escape may hide a point or a digit.
        if (has_seven_digits(known) or b"\\" in known) and is_finer(known):
            rule = "event_timestamp: finer than microseconds"
            return Refusal(Reason.BAD_TIMESTAMP, rule, event_time)
        user, session = record.user_id, record.session_id
        if not (
            0 < len(record.event_id) <= SHORT
            and (user is None or 0 < len(user) <= SHORT)
            and (session is None or 0 < len(session) <= SHORT)
        ):
            for name in _IDS:
                if not fits(getattr(record, name)):
                    rule = f"{name}: not 1 to {MAX_ID_BYTES} bytes of UTF-8"
                    return Refusal(Reason.BAD_ID, rule, event_time)
        latest = LATEST if reference is None else reference + self._max_future
        if not EARLIEST <= event_time <= latest or event_time > LATEST:
            return out_of_range(event_time)
        try:
            return self._normalised(record), event_time, drift
        except UnusableError as error:
            return Refusal(error.reason, str(error), event_time)

    def _normalised(self, record: Record) -> Record:
        normalise = self._normalisers.get(type(record))
        if normalise is not None:
            normalise(record.event_details)
        return record


def _normalisers(contracts: Contracts, structs: Mapping[str, Any]) -> dict[Any, Normalise]:
    """Return by struct what brings its details into their form, where anything has to be done."""
    made = {}
    for name, contract in contracts.types.items():
        details = FieldType(kind="record", fields=contract.fields)
        normalise = compile_normaliser(details, "event_details")
        if normalise is not None:
            made[structs[name]] = normalise
    return made
