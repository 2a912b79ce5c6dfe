"""By what a message is known from the archive to the curated tables and the quarantine."""

import hashlib
from collections.abc import Mapping

import msgspec

from schemas.compression import inflate, is_gzip
from schemas.content import content_digest, id_digest
from schemas.contract_set import Contracts
from schemas.decoder import Decoder
from schemas.refusal import Refusal
from schemas.times import DAY

__all__ = ["Identified", "Identify", "message_digest"]

_NOTHING = bytes(16)
_NO_ATTRIBUTES: Mapping[str, str] = {}


class Identified(msgspec.Struct, frozen=True):
    """Digests of 16 bytes: of the event id, of the message, and of the decoded content.

    `key` is that of the payload where no event id can be read; `content` is zeros, and `event_time`
    None, where the contracts refuse the message.
    """

    key: bytes
    message: bytes
    content: bytes
    event_time: int | None


class _Line(msgspec.Struct):
    event_id: str


_LINE = msgspec.json.Decoder(_Line)


class Identify:
    """Identifies messages: those of the archive and those in the quarantine alike.

    Args:
        contracts: the event types that are known.
        max_future: microseconds that an event may lie ahead of its publish time.
        max_event_bytes: the largest payload, as received and inflated.
    """

    def __init__(
        self, contracts: Contracts, max_future: int = DAY, max_event_bytes: int = 1_000_000
    ) -> None:
        self._decoder = Decoder(contracts, max_future, max_event_bytes)
        self._most = max_event_bytes

    def of(
        self,
        payload: bytes,
        message_id: str,
        published: int | None,
        attributes: Mapping[str, str] | None = None,
    ) -> Identified:
        """Return what identifies a message; nothing in it is an error."""
        own = message_digest(payload, message_id, published)
        attributes = attributes or _NO_ATTRIBUTES
        reading = self._decoder.read(payload, attributes, published)
        if isinstance(reading, Refusal):
            event_id = self._event_id(payload, attributes)
            key = _digest(payload) if event_id is None else id_digest(event_id)
            return Identified(key, own, _NOTHING, None)
        record, event_time, drift = reading
        content = content_digest(record, drift)
        return Identified(id_digest(record.event_id), own, content, event_time)

    def _event_id(self, payload: bytes, attributes: Mapping[str, str]) -> str | None:
        """Return the event id of a message that is refused: another contract may have taken it."""
        if is_gzip(attributes):
            inflated = inflate(payload, self._most)
            if isinstance(inflated, Refusal):
                return None
            payload = inflated
        try:
            return _LINE.decode(payload).event_id
        except (ValueError, RecursionError):
            return None


def message_digest(payload: bytes, message_id: str, published: int | None) -> bytes:
    """Return the digest of the message id; a message without one is its bytes and its time.

    >>> message_digest(b"x", "7", None) == message_digest(b"y", "7", 5)
    True
    """
    if message_id:
        return id_digest(message_id)
    return _digest(b"%d " % (published or 0) + payload)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
