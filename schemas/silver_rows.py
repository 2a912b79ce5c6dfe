"""The rows of curated events: one of its type's table per event, and one of the drift table.

A row is a JSON object in BigQuery's form: the columns of `bigquery_schema`, and what tells where
the event came from. Equal events have equal rows but for `ingest_time`, whoever makes them.
"""

import functools
from collections.abc import Sequence
from datetime import timezone
from typing import Any

import msgspec

from schemas.bigquery_json import compile_form, encode_json
from schemas.bigquery_schema import has_column
from schemas.contract_set import Contracts
from schemas.packs import EventPack, RawPack
from schemas.record_types import Record
from schemas.silver_tables import silver_table
from schemas.times import SECOND, format_rfc3339
from schemas.unknown_fields import drift_names, masked_names

__all__ = [
    "SilverTable",
    "drift_row",
    "endings_of",
    "insert_ids_of",
    "masked_in",
    "stamp",
]

_UTC = timezone.utc


def stamp(micros: int) -> bytes:
    """Return a time as JSON text, always with microseconds.

    >>> stamp(1_000_000)
    b'"1970-01-01T00:00:01.000000Z"'
    """
    seconds, fraction = divmod(micros, SECOND)
    return b'"%b.%06dZ"' % (_second(seconds), fraction)


@functools.lru_cache(maxsize=4096)
def _second(seconds: int) -> bytes:
    return format_rfc3339(seconds * SECOND)[:-1].encode()


def insert_ids_of(pack: EventPack) -> list[str]:
    """Return the insert id of each event's row: the digests of id and content, in hex.

    >>> from schemas.packs import RawPack
    >>> insert_ids_of(EventPack([b"a"], [b"b"], [0], RawPack([b"{}"])))
    ['6162']
    """
    return [(one + other).hex() for one, other in zip(pack.ids, pack.contents, strict=True)]


def endings_of(contents: Sequence[bytes], raw: RawPack, ingest_time: int) -> list[bytes]:
    """Return how the row of each message of a pack ends: what it says beside the event.

    >>> endings_of([b"b"], RawPack([b"{}"], message_ids=["m"]), 0)
    [b',"content_digest":"62","ingest_time":"1970-01-01T00:00:00.000000Z","message_id":"m"}']
    """
    ingested = b'","ingest_time":%b' % stamp(ingest_time)
    if not raw.message_ids and not raw.publish_times:
        # As files have it: all of them end alike.
        ingested += b"}"
        return [b',"content_digest":"%b%b' % (each.hex().encode(), ingested) for each in contents]
    endings = [b',"content_digest":"%b%b' % (each.hex().encode(), ingested) for each in contents]
    if raw.message_ids:
        ids = zip(endings, raw.message_ids, strict=True)
        endings = [b'%b,"message_id":%b' % (it, encode_json(id_)) if id_ else it for it, id_ in ids]
    if raw.publish_times:
        times = zip(endings, raw.publish_times, strict=True)
        endings = [
            it if time is None else b'%b,"publish_time":%b' % (it, stamp(time))
            for it, time in times
        ]
    return [it + b"}" for it in endings]


class SilverTable:
    """The rows of one event type; picklable, so it can be made anywhere.

    Args:
        contracts: of all event types.
        event_type: whose rows these are.
    """

    def __init__(self, contracts: Contracts, event_type: str) -> None:
        self.name = silver_table(contracts, event_type).full_name
        self._given = (contracts, event_type)
        self._fields = contracts.event(event_type).fields
        details = self._fields["event_details"]
        self._prepare = compile_form(details) if has_column(details) else _nothing

    def __reduce__(self) -> tuple[type["SilverTable"], tuple[Contracts, str]]:
        return SilverTable, self._given

    def row(self, record: Record, ending: bytes, drift: str | None = None) -> bytes:
        """Return the row of a pseudonymised event, once; of its drift only the names are in it."""
        if record.event_timestamp.tzinfo is not _UTC:
            record.event_timestamp = record.event_timestamp.astimezone(_UTC)
        if self._prepare is not None:
            record.event_details = self._prepare(record.event_details)
        if drift is not None:
            ending = _with_names(ending, drift_names(drift, self._fields))
        return encode_json(record)[:-1] + ending


def drift_row(event_type: str, record: Record, ending: bytes, drift: str) -> bytes:
    """Return the row of the drift table: the unknown fields as they were received."""
    event = {
        "event_id": record.event_id,
        "event_type": event_type,
        "event_timestamp": record.event_timestamp.astimezone(_UTC),
        "drift": drift,
    }
    return encode_json(event)[:-1] + ending


def masked_in(row: bytes) -> int:
    """Return how many names of unknown fields are masked in a row that names any.

    >>> masked_in(b'{"user_id":"<name 9>","unknown_fields":["<name 1>","colour"]}')
    1
    """
    return masked_names(row.rpartition(b'"unknown_fields":')[2])


def _with_names(ending: bytes, names: Sequence[str]) -> bytes:
    return b'%b,"unknown_fields":%b}' % (ending[:-1], encode_json(names))


def _nothing(_details: Any) -> Any:
    """Leave details out of which nothing is kept."""
    return msgspec.UNSET
