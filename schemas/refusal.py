"""Why a payload was refused, told without a word of what was in it."""

import re

import msgspec

from schemas.rejected import Reason

__all__ = ["Refusal", "UnusableError", "refusal_of"]


class Refusal(msgspec.Struct, frozen=True):
    """A payload that cannot be used. `detail` names field and rule, never a value.

    `event_time` is in microseconds, None where it could not be read.
    """

    reason: Reason
    detail: str
    event_time: int | None = None


class UnusableError(ValueError):
    """A value that has the right JSON type and is still none of its field's."""

    def __init__(self, reason: Reason, path: str, rule: str) -> None:
        super().__init__(f"{path}: {rule}")
        self.reason = reason


_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_TYPES = re.compile(r"(Expected `[a-z |]+`(?:, got `[a-z]+`)?)")
# The first that the message begins with; the order matters only for "Expected".
_RULES = (
    ("Object missing", Reason.MISSING_FIELD, "required"),
    ("Invalid enum value", Reason.BAD_ENUM_VALUE, "not one of the symbols"),
    ("Expected `datetime` with", Reason.BAD_TIMESTAMP, "no offset"),
    ("Invalid RFC3339 encoded date", Reason.BAD_TIMESTAMP, "not RFC 3339"),
    ("Expected `int` <", Reason.NUMBER_OUT_OF_RANGE, "too large"),
    ("Expected `int` >", Reason.NUMBER_OUT_OF_RANGE, "too small"),
    ("Expected `float` <", Reason.NUMBER_OUT_OF_RANGE, "too large"),
    ("Expected `float` >", Reason.NUMBER_OUT_OF_RANGE, "too small"),
    ("Integer value out of range", Reason.NUMBER_OUT_OF_RANGE, "too large or too small"),
    ("Number out of range", Reason.NUMBER_OUT_OF_RANGE, "too large or too small"),
    ("Expected", Reason.WRONG_TYPE, "another type"),
    ("Invalid UUID", Reason.BAD_VALUE, "not a UUID"),
    ("Invalid decimal", Reason.BAD_VALUE, "not a decimal number"),
    ("Invalid base64", Reason.BAD_VALUE, "not base64"),
)


def refusal_of(error: Exception, event_time: int | None) -> Refusal:
    """Read the decoder's message: rule and path are kept, the value it may quote is not.

    >>> error = msgspec.ValidationError("Invalid enum value 'x' - at `$.event_details.plan`")
    >>> refusal_of(error, None).detail
    'event_details.plan: not one of the symbols'
    """
    message = str(error)
    for start, reason, rule in _RULES:
        if message.startswith(start):
            return Refusal(reason, f"{_path(message)}: {_told(reason, rule, message)}", event_time)
    return Refusal(Reason.BAD_VALUE, f"{_path(message)}: not usable", event_time)


def _path(message: str) -> str:
    # The path comes last and its names hold no backtick, so a quoted value cannot fake it.
    _, found, path = message.rpartition(" - at `$")
    path = path.rstrip("`").lstrip(".") if found else ""
    missing = _MISSING.match(message)
    return ".".join(part for part in (path, missing.group(1) if missing else "") if part) or "event"


def _told(reason: Reason, rule: str, message: str) -> str:
    types = _TYPES.match(message) if reason is Reason.WRONG_TYPE else None
    return types.group(1).replace("`", "").lower() if types else rule
