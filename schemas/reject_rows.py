"""The rows of `ops.quarantine`: what was refused and why, without its bytes and its attributes."""

import hashlib

import msgspec

from schemas.bigquery_json import encode_json
from schemas.ops_tables import QUARANTINE
from schemas.quarantine_avro import identity
from schemas.rejected import Rejected
from schemas.row_packs import RowPack
from schemas.silver_rows import stamp

__all__ = ["reject_row"]

_YEAR_1 = -62_135_596_800_000_000
_YEAR_10000 = 253_402_300_800_000_000


def reject_row(record: Rejected) -> RowPack:
    """Return the row of a record as it goes to the quarantine's objects.

    The insert id is the record's identity, so a retry or a replay makes no other row.

    >>> reject_row(Rejected("Decode", "not_json", "", b"{", {}, "7", "", None, 0)).rows[0][:11]
    b'{"bytes":1,'
    """
    told = identity(record).hex()
    row = {
        "bytes": len(record.payload),
        "identity": told,
        "payload_digest": hashlib.blake2b(record.payload, digest_size=16).hexdigest(),
        "reason": record.reason,
        "step": record.step,
    }
    texts = {
        "detail": record.detail,
        "message_id": record.message_id,
        "replayed_from": record.replayed_from,
        "run": record.run,
        "job": record.job,
    }
    times = {"event_time": record.event_time, "publish_time": record.publish_time}
    row |= {name: text for name, text in texts.items() if text}
    row |= {
        name: msgspec.Raw(stamp(time))
        for name, time in times.items()
        if time is not None and _YEAR_1 <= time < _YEAR_10000
    }
    return RowPack(QUARANTINE.full_name, [encode_json(row)], [told])
