"""The slower way to read a payload, for what the strict decoder does not take at once.

It finds the reason of a refusal, or sets the unknown fields apart and hands the rest back.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from schemas.contract_check import MAX_DEPTH
from schemas.contract_set import Contracts
from schemas.malformed import is_deeper, malformed
from schemas.refusal import Refusal
from schemas.rejected import Reason
from schemas.surrogates import has_hidden, hide, reveal
from schemas.unknown_fields import PartMembers, members, parting_members

__all__ = ["CarefulReading", "Found"]

_NOT_AN_OBJECT = Refusal(Reason.NOT_AN_OBJECT, "payload: not an object")
_whole = msgspec.json.Decoder(msgspec.Raw).decode
_string = msgspec.json.Decoder(str).decode


class Found(NamedTuple):
    """The members of an event of a known type, and what parts them."""

    members: Mapping[str, Any]
    part: PartMembers
    hides: bool = False


class CarefulReading:
    """Parts payloads by the contracts of their event types; nothing is raised.

    What the known part holds is left to the strict decoder.
    """

    def __init__(self, contracts: Contracts) -> None:
        self._parts: dict[str, PartMembers] = {
            name: parting_members(contracts.event(name)) for name in contracts.types
        }

    def find(self, payload: bytes) -> Found | Refusal:
        """Return the members of an event, or the refusal of bytes that are none."""
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            return Refusal(Reason.NOT_UTF8, "payload: not UTF-8")
        if is_deeper(payload, MAX_DEPTH):
            return Refusal(Reason.TOO_DEEP, f"payload: nested deeper than {MAX_DEPTH}")
        try:
            return self._found(members(payload))
        except msgspec.ValidationError:
            return _no_object(payload, text)
        except msgspec.DecodeError:
            return malformed(text) or self._found(members(hide(payload)), hides=True)

    def _found(self, found: Mapping[str, Any], hides: bool = False) -> Found | Refusal:
        if "event_type" not in found:
            return Refusal(Reason.MISSING_FIELD, "event_type: required")
        try:
            part = self._parts.get(_string(found["event_type"]))
        except msgspec.ValidationError:
            return Refusal(Reason.WRONG_TYPE, "event_type: expected str")
        if part is None:
            return Refusal(Reason.UNKNOWN_EVENT_TYPE, "event_type: no such contract")
        return Found(found, part, hides)

    def part(self, found: Found) -> tuple[bytes, str | None] | Refusal:
        """Return the known part of an event and its drift, both as JSON text."""
        known, unknown = found.part(found.members)
        if found.hides and has_hidden(known):
            return Refusal(Reason.BAD_VALUE, "payload: half a character (lone surrogate)")
        if unknown is None:
            return known, None
        return known, (reveal(unknown) if found.hides else unknown).decode()


def _no_object(payload: bytes, text: str) -> Refusal:
    # The decoder stops where it sees that this is no object; the rest may be anything.
    try:
        _whole(payload)
    except msgspec.DecodeError:
        return malformed(text) or _NOT_AN_OBJECT
    return _NOT_AN_OBJECT
