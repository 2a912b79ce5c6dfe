"""The slower way to read a payload, for what the strict decoder does not take at once.

It finds the reason of a refusal, or sets the unknown fields apart and hands the rest back.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.contract_check import MAX_DEPTH
from schemas.contract_set import Contracts
from schemas.malformed import is_deeper, malformed
from schemas.refusal import Refusal
from schemas.rejected import Reason
from schemas.surrogates import has_hidden, hide, reveal
from schemas.unknown_fields import PartMembers, members, parting_members

__all__ = ["CarefulReading"]

_string = msgspec.json.Decoder(str).decode


class CarefulReading:
    """Parts payloads by the contracts of their event types.

    `part` returns the known part of a payload and its drift as JSON text, or the refusal of bytes
    that are no event at all. What the known part holds is left to the strict decoder.
    """

    def __init__(self, contracts: Contracts) -> None:
        self._parts: dict[str, PartMembers] = {
            name: parting_members(contracts.event(name)) for name in contracts.types
        }

    def part(self, payload: bytes) -> tuple[bytes, str | None] | Refusal:
        """Return (known part, drift), or a refusal; nothing is raised."""
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            return Refusal(Reason.NOT_UTF8, "payload: not UTF-8")
        if is_deeper(payload, MAX_DEPTH):
            return Refusal(Reason.TOO_DEEP, f"payload: nested deeper than {MAX_DEPTH}")
        try:
            return self._part_event(members(payload))
        except msgspec.ValidationError:
            return Refusal(Reason.NOT_AN_OBJECT, "payload: not an object")
        except msgspec.DecodeError:
            refusal = malformed(text)
            return self._part_hiding(payload) if refusal is None else refusal

    def _part_hiding(self, payload: bytes) -> tuple[bytes, str | None] | Refusal:
        parted = self._part_event(members(hide(payload)))
        if isinstance(parted, Refusal):
            return parted
        known, drift = parted
        if has_hidden(known):
            return Refusal(Reason.BAD_VALUE, "payload: half a character (lone surrogate)")
        return known, reveal(drift.encode()).decode() if drift is not None else None

    def _part_event(self, found: Mapping[str, Any]) -> tuple[bytes, str | None] | Refusal:
        if "event_type" not in found:
            return Refusal(Reason.MISSING_FIELD, "event_type: required")
        try:
            part = self._parts.get(_string(found["event_type"]))
        except msgspec.ValidationError:
            return Refusal(Reason.WRONG_TYPE, "event_type: expected str")
        if part is None:
            return Refusal(Reason.UNKNOWN_EVENT_TYPE, "event_type: no such contract")
        known, drift = part(found)
        return known, drift.decode() if drift is not None else None
