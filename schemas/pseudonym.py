"""Replaces personal values by pseudonyms, as the contracts declare them."""

import base64
import copy
import functools
import hmac
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec

from schemas.contract_set import Contracts
from schemas.events import Event, RawEvent
from schemas.field_types import FieldType
from schemas.pseudonym_key import PseudonymError, PseudonymKey, load_key
from schemas.record_types import Record
from schemas.unknown_fields import drift_names

__all__ = [
    "PseudonymError", "PseudonymKey", "Pseudonymiser", "check_key", "load_key", "needs_key",
    "pseudonym",
]  # fmt: skip

_REMEMBERED = 16_384
"""Values whose pseudonyms are kept: people come again, and to make one takes microseconds."""

_Change = Callable[[Any], Any]
_Get = Callable[[Any, str], Any]
_Put = Callable[[Any, str, Any], None]


def needs_key(contracts: Contracts) -> bool:
    """Return whether any field, the envelope's included, is to be pseudonymised."""
    types = [contracts.envelope, *contracts.types.values()]
    return any(_asks(field, "pseudonymise") for each in types for field in each.fields.values())


def check_key(contracts: Contracts, location: str | None) -> None:
    """Check at launch that there is a key where one is needed, and that it can be loaded.

    Raises:
        PseudonymError: one line, with the remedy.
    """
    _key_of(contracts, location)


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

    It holds the key, so it cannot be pickled: make it where it is used.

    Args:
        contracts: what is personal.
        key: the key, or where `load_key` finds it; None where `needs_key` is false.

    Raises:
        PseudonymError: there is no key where one is needed, or it cannot be loaded.
    """

    def __init__(self, contracts: Contracts, key: PseudonymKey | str | None) -> None:
        self._contracts = contracts
        self._key = _key_of(contracts, key)
        self._records: dict[Any, _Change | None] = {}
        self._events: dict[str, _Change | None] = {}
        self._hidden = functools.lru_cache(_REMEMBERED)(self._pseudonym)

    def __reduce__(self) -> NoReturn:
        message = "a Pseudonymiser holds the key and is never pickled; make it in setup"
        raise TypeError(message)

    def apply(self, record: Record) -> Record:
        """Change a record in place, once, and return it: "pseudonymise" and "drop" of its fields.

        A null stays null; items of arrays and values of maps are changed one by one.
        """
        kind = type(record)
        try:
            change = self._records[kind]
        except KeyError:
            tag = kind.__struct_config__.tag
            change = self._records[kind] = self._compile(tag, getattr, setattr)
        return record if change is None else change(record)

    def apply_to_event(self, event: Event) -> Event:
        """Return the event without anything personal.

        Without its original payload, attributes and ordering key too, and of its drift only the
        names are left, as a JSON array: what a contract does not know may be personal.
        """
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

    def _compile(self, event_type: str, get: _Get, put: _Put) -> _Change | None:
        return _compile(self._contracts.event(event_type), self._hidden, get, put)

    def _pseudonym(self, value: str) -> str:
        # Only reached with a key: contracts that ask for pseudonyms were refused without one.
        assert self._key is not None
        return pseudonym(value, self._key)


def _key_of(contracts: Contracts, key: PseudonymKey | str | None) -> PseudonymKey | None:
    if key is None and needs_key(contracts):
        message = "the contracts declare personal fields and there is no key; give --pseudonym_key"
        raise PseudonymError(message)
    return load_key(key) if isinstance(key, str) else key


def _asks(field: FieldType, pii: str) -> bool:
    inside = [*field.fields.values(), *([field.items] if field.items else [])]
    return field.pii == pii or any(_asks(child, pii) for child in inside)


def _compile(field: FieldType, hide: _Change, get: _Get, put: _Put) -> _Change | None:
    """Return what changes a value of this type in place and returns it; None: nothing to change."""
    if field.pii == "drop":
        return _nothing
    if field.pii == "pseudonymise":
        return _on_strings(field, hide)
    if field.items is not None:
        return _on_items(_compile(field.items, hide, get, put))
    compiled = {name: _compile(each, hide, get, put) for name, each in field.fields.items()}
    return _on_fields({name: step for name, step in compiled.items() if step}, get, put)


def _nothing(_value: Any) -> None:
    return None


def _on_strings(field: FieldType, hide: _Change) -> _Change | None:
    return hide if field.items is None else _on_items(_on_strings(field.items, hide))


def _on_items(step: _Change | None) -> _Change | None:
    if step is None:
        return None

    def change(values: Any) -> Any:
        for key in values if isinstance(values, dict) else range(len(values)):
            if values[key] is not None:
                values[key] = step(values[key])
        return values

    return change


def _on_fields(steps: Mapping[str, _Change], get: _Get, put: _Put) -> _Change | None:
    pairs = list(steps.items())

    def change(record: Any) -> Any:
        for name, step in pairs:
            value = get(record, name)
            if value is not None:
                put(record, name, step(value))
        return record

    return change if pairs else None
