"""The ledger of a quarantine: which messages were released from it, each by its digest.

    <quarantine>/_released/to=<sink>/dt=YYYY-MM-DD/<digest>.ndjson

A line names one message. What was released into one sink can still be released into another, such
as a shadow table.
"""

import hashlib
import re
from urllib.parse import quote, unquote

import msgspec

from schemas.record_file import NOT_READ
from schemas.rejected import Rejected

__all__ = [
    "LEDGER",
    "ledger_folder",
    "ledger_line",
    "parse_ledger_line",
    "release_key",
    "sink_of",
]

LEDGER = "_released"
_TO = "to="
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_HEX = re.compile(r"[0-9a-f]{32}")
_LONGEST_FOLDER = 200


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    released: str


def release_key(record: Rejected) -> bytes:
    """Return 16 bytes that stand for what was refused: the message, or the change of a row.

    Unlike `schemas.quarantine_avro.identity` it does not depend on who refused it, and why: a
    message that is refused again for another reason is the same message.

    >>> one = Rejected("Decode", "not_json", "", b"{", {}, "7", "", None, 5)
    >>> other = msgspec.structs.replace(one, reason="missing_field", attempt=1)
    >>> release_key(one) == release_key(other)
    True
    """
    message = (
        record.payload,
        record.attributes,
        record.message_id,
        record.ordering_key,
        record.publish_time,
    )
    return hashlib.blake2b(_ENCODER.encode(message), digest_size=16).digest()


def ledger_folder(sink: str) -> str:
    """Return the folder of what was released into a sink, relative to the quarantine.

    >>> ledger_folder("projects/p/instances/i/tables/t")
    '_released/to=projects%2Fp%2Finstances%2Fi%2Ftables%2Ft'
    """
    name = quote(sink, safe="")
    if len(name) > _LONGEST_FOLDER:
        name = hashlib.blake2b(sink.encode(errors="replace"), digest_size=16).hexdigest()
    return f"{LEDGER}/{_TO}{name}"


def sink_of(folder: str) -> str:
    """Return the sink whose ledger is in a folder of that name; of a long one, what stands for it.

    >>> sink_of("to=projects%2Fp%2Finstances%2Fi%2Ftables%2Ft")
    'projects/p/instances/i/tables/t'
    """
    return unquote(folder.removeprefix(_TO))


def ledger_line(key: bytes) -> bytes:
    """Return the line of one message, without a line end.

    >>> ledger_line(bytes(16))
    b'{"released":"00000000000000000000000000000000"}'
    """
    return msgspec.json.encode(_Line(key.hex()))


def parse_ledger_line(line: bytes) -> bytes:
    """Return the key that a line names.

    Raises:
        ValueError: it is no line of a ledger.
    """
    try:
        found = msgspec.json.decode(line, type=_Line).released
    except NOT_READ:
        found = ""
    if not _HEX.fullmatch(found):
        msg = "no line of a ledger of releases"
        raise ValueError(msg)
    return bytes.fromhex(found)
