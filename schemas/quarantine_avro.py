"""Refused records as an Avro object container file: what the quarantine keeps of each."""

import datetime
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence

import fastavro
import msgspec

from schemas.rejected import Rejected

__all__ = ["QUARANTINE_SCHEMA", "from_avro", "identity", "to_avro"]

_MICROS = {"type": "long", "logicalType": "timestamp-micros"}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_YEAR_1 = -62_135_596_800_000_000
_YEAR_10000 = 253_402_300_800_000_000

QUARANTINE_SCHEMA: dict[str, object] = {
    "type": "record",
    "name": "Rejected",
    "namespace": "penstock",
    "doc": "A refused input with all that is needed to understand it and to run it again.",
    "fields": [
        {"name": "step", "type": "string", "doc": "The transform that refused it."},
        {"name": "reason", "type": "string", "doc": "Reason code, as in the counters."},
        {"name": "detail", "type": "string", "doc": "Field and rule; never a value."},
        {"name": "payload", "type": "bytes", "doc": "The message, or the change as JSON."},
        {"name": "attributes", "type": {"type": "map", "values": "string"}, "doc": "Of Pub/Sub."},
        {"name": "message_id", "type": "string", "doc": "Empty where the source has none."},
        {"name": "ordering_key", "type": "string", "doc": "Empty where the source has none."},
        {"name": "event_time", "type": ["null", _MICROS], "doc": "Null where it is not readable."},
        {"name": "publish_time", "type": ["null", _MICROS], "doc": "Null where there is none."},
        {"name": "rejected_at", "type": _MICROS, "doc": "When it reached the quarantine."},
        {"name": "job", "type": "string", "doc": "The job that refused it."},
        {"name": "attempt", "type": "int", "doc": "How often handed in again before; 0: never."},
        {"name": "replayed_from", "type": "string", "default": "", "doc": "Archive of a replay."},
        {"name": "run", "type": "string", "default": "", "doc": "Run of a replay; else empty."},
    ],
}
_PARSED = fastavro.parse_schema(QUARANTINE_SCHEMA)
_NO_TIME = _FIRST_ATTEMPT = 0
"""Stand in an identity for time and number of the handling; of a replay nothing is in it."""
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def identity(record: Rejected) -> bytes:
    """Return a 16-byte digest of all that does not differ between retries and replays.

    >>> r = Rejected("Decode", "not_json", "", b"{", {}, "7", "", None, None)
    >>> identity(r) == identity(msgspec.structs.replace(r, rejected_at=5, attempt=1))
    True
    """
    # Built by hand: of a flood of records each is told from all others.
    kept = (
        record.step,
        record.reason,
        record.detail,
        record.payload,
        record.attributes,
        record.message_id,
        record.ordering_key,
        record.event_time,
        record.publish_time,
        _NO_TIME,
        record.job,
        _FIRST_ATTEMPT,
    )
    return hashlib.blake2b(_ENCODER.encode(kept), digest_size=16).digest()


def to_avro(records: Sequence[Rejected], packed: Iterable[bytes] | None = None) -> bytes:
    """Encode records, deflated; equal records in equal order give equal bytes.

    Times outside the years 1 to 9999, which no reader could show, become null (or 0).

    Args:
        records: what is kept.
        packed: the same as MessagePack in deterministic order, where that is there already.
    """
    rows = [_row(record) for record in records]
    known = map(_ENCODER.encode, records) if packed is None else packed
    marker = hashlib.blake2b(b"".join(known), digest_size=16).digest()
    file = io.BytesIO()
    fastavro.writer(file, _PARSED, rows, codec="deflate", sync_marker=marker)
    return file.getvalue()


def from_avro(data: bytes) -> Iterator[Rejected]:
    """Decode what `to_avro` encoded, now or before a field was added: that has its default."""
    for row in fastavro.reader(io.BytesIO(data)):
        for name in ("event_time", "publish_time", "rejected_at"):
            row[name] = None if row[name] is None else _micros(row[name])
        yield Rejected(**row)


def _row(record: Rejected) -> dict[str, object]:
    row = msgspec.structs.asdict(record)
    if len(record.attributes) > 1:
        row["attributes"] = dict(sorted(record.attributes.items()))
    row["event_time"] = _shown(record.event_time)
    row["publish_time"] = _shown(record.publish_time)
    row["rejected_at"] = _shown(record.rejected_at) or 0
    return row


def _shown(micros: int | None) -> int | None:
    return micros if micros is not None and _YEAR_1 <= micros < _YEAR_10000 else None


def _micros(time: datetime.datetime) -> int:
    return (time - _EPOCH) // datetime.timedelta(microseconds=1)
