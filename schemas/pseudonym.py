"""Replaces personal values by pseudonyms, as the contracts declare them."""

import base64
import copy
import functools
import hmac
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

import msgspec

from schemas.contract_set import Contracts
from schemas.events import Event, RawEvent
from schemas.key_ring import KeyRing, load_key, load_ring
from schemas.packs import RawPack
from schemas.personal_fields import Change, Get, Put, asks, compile_change
from schemas.pseudonym_key import PseudonymError, PseudonymKey
from schemas.record_types import Record
from schemas.times import format_rfc3339, micros
from schemas.unknown_fields import drift_names

__all__ = [
    "Key", "KeyRing", "PseudonymError", "PseudonymKey", "Pseudonymiser", "check_key", "load_key",
    "load_ring", "needs_key", "pseudonym", "ring_of",
]  # fmt: skip

Key: TypeAlias = PseudonymKey | KeyRing | str | None
"""A key, several, where `load_ring` finds them, or none."""

_REMEMBERED = 16_384
"""Values whose pseudonyms are kept: people come again, and to make one takes microseconds."""


def needs_key(contracts: Contracts) -> bool:
    """Return whether any field, the envelope's included, is to be pseudonymised."""
    types = [contracts.envelope, *contracts.types.values()]
    return any(asks(field, "pseudonymise") for each in types for field in each.fields.values())


def check_key(contracts: Contracts, location: str | None, since: int | None = None) -> None:
    """Check at launch that there is a key where one is needed, and that it can be loaded.

    Args:
        contracts: what is personal.
        location: where the key is.
        since: when what is to be read begins, in microseconds; None: nobody knows.

    Raises:
        PseudonymError: one line, with the remedy; also where the first key of a ring comes into
            force after that.
    """
    ring = ring_of(contracts, location)
    if ring is None or since is None or since >= ring.starts[0]:
        return
    first = format_rfc3339(ring.starts[0])
    problem = f"its first key is in force from {first}, and the run begins {format_rfc3339(since)}"
    remedy = "put the key of before on the line above, or take the time of the first one away"
    message = f"pseudonym key {location}: {problem}; {remedy}"
    raise PseudonymError(message)


def ring_of(contracts: Contracts, key: Key) -> KeyRing | None:
    """Return the ring that is meant by a key; None where there is none, and none is needed.

    Raises:
        PseudonymError: there is none where one is needed, or it cannot be loaded.
    """
    if key is None:
        if needs_key(contracts):
            problem = "the contracts declare personal fields and there is no key"
            message = f"{problem}; give --pseudonym_key"
            raise PseudonymError(message)
        return None
    if isinstance(key, str):
        return load_ring(key)
    return KeyRing((key,)) if isinstance(key, PseudonymKey) else key


def pseudonym(value: str, key: PseudonymKey) -> str:
    """Return `<key id>.<HMAC-SHA256 of the UTF-8 value, base64url>`.

    Equal values have equal pseudonyms under one key, wherever they stand.

    >>> pseudonym("ana", PseudonymKey.of(b"k1:0123456789abcdef"))
    'k1.RQzo0wCfjCMtbEYHfWXgeDLoevQ5jeYlXI_LNzXkxBE'
    """
    digest = hmac.digest(key.secret, value.encode(), "sha256")
    return f"{key.key_id}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


class Pseudonymiser:
    """Changes what a contract declares personal; all else stays.

    A pseudonym depends on the value, on the publish time of its message, and on the keys, and on
    nothing else; so whoever makes it, live or from the archive, makes the same one. Where the
    publish time is not known, as of files, the event's own time stands in.

    It holds the keys, so it cannot be pickled: make it where it is used.

    Args:
        contracts: what is personal.
        key: the key or keys, or where `load_ring` finds them; None where `needs_key` is false.

    Raises:
        PseudonymError: there is no key where one is needed, or it cannot be loaded.
    """

    def __init__(self, contracts: Contracts, key: Key) -> None:
        ring = ring_of(contracts, key)
        self._place = ring.place if ring else _first
        keys: Sequence[PseudonymKey | None] = ring.keys if ring else (None,)
        self._versions = [_Version(contracts, each) for each in keys]

    def __reduce__(self) -> NoReturn:
        message = "a Pseudonymiser holds the key and is never pickled; make it in setup"
        raise TypeError(message)

    def apply(self, record: Record, publish_time: int | None = None) -> Record:
        """Change a record in place, once, and return it: "pseudonymise" and "drop" of its fields.

        A null stays null; items of arrays and values of maps are changed one by one.

        Args:
            record: as it was decoded.
            publish_time: of its message, in microseconds; None: not known.
        """
        if len(self._versions) == 1:
            return self._versions[0].apply(record)
        time = micros(record.event_timestamp) if publish_time is None else publish_time
        return self._versions[self._place(time)].apply(record)

    def each(self, pack: RawPack) -> Sequence[Callable[[Record], Record]]:
        """Return what `apply` does to each message of a pack, in their order."""
        versions, times = self._versions, pack.publish_times
        if len(versions) == 1:
            return [versions[0].apply] * len(pack)
        if not times:
            return [self.apply] * len(pack)
        known = [time for time in times if time is not None]
        if len(known) == len(times):
            first, last = self._place(min(known)), self._place(max(known))
            if first == last:
                return [versions[first].apply] * len(pack)
        return [self.apply if time is None else versions[self._place(time)].apply for time in times]

    def apply_to_event(self, event: Event) -> Event:
        """Return the event without anything personal.

        Without its original payload, attributes and ordering key too, and of its drift only the
        names are left, as a JSON array: what a contract does not know may be personal.
        """
        published = event.raw.publish_time
        time = event.event_time if published is None else published
        return self._versions[self._place(time)].apply_to_event(event)


class _Version:
    """Makes the pseudonyms of one key."""

    def __init__(self, contracts: Contracts, key: PseudonymKey | None) -> None:
        self._contracts, self._key = contracts, key
        self._records: dict[Any, Change | None] = {}
        self._events: dict[str, Change | None] = {}
        self._hidden = functools.lru_cache(_REMEMBERED)(self._pseudonym)

    def apply(self, record: Record) -> Record:
        """Change a record in place, once, and return it."""
        kind = type(record)
        try:
            change = self._records[kind]
        except KeyError:
            tag = kind.__struct_config__.tag
            change = self._records[kind] = self._compile(tag, getattr, setattr)
        return record if change is None else change(record)

    def apply_to_event(self, event: Event) -> Event:
        """Return the event without anything personal."""
        if event.event_type not in self._events:
            self._events[event.event_type] = self._compile(
                event.event_type, dict.get, dict.__setitem__
            )
        change = self._events[event.event_type]
        plain = {
            "user_id": event.user_id,
            "session_id": event.session_id,
            "event_details": copy.deepcopy(event.details),
        }
        if change is not None:
            change(plain)
        return msgspec.structs.replace(
            event,
            user_id=plain["user_id"],
            session_id=plain["session_id"],
            details=plain["event_details"],
            drift=self._names(event),
            raw=RawEvent(b"", {}, event.raw.message_id, event.raw.publish_time),
        )

    def _names(self, event: Event) -> str | None:
        if event.drift is None:
            return None
        fields = self._contracts.event(event.event_type).fields
        return msgspec.json.encode(drift_names(event.drift, fields)).decode()

    def _compile(self, event_type: str, get: Get, put: Put) -> Change | None:
        return compile_change(self._contracts.event(event_type), self._hidden, get, put)

    def _pseudonym(self, value: str) -> str:
        # Only reached with a key: contracts that ask for pseudonyms were refused without one.
        assert self._key is not None
        return pseudonym(value, self._key)


def _first(_time: int) -> int:
    return 0
