"""Why a payload was refused, told without a word of what was in it."""

import re

import msgspec

from schemas.rejected import Reason

__all__ = ["Refusal", "UnusableError", "is_final", "refusal_of"]


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
_PASSING = ("Object contains unknown field", "Invalid value")
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


def refusal_of(error: Exception) -> Refusal:
    """Read the decoder's message: rule and path are kept, the value it may quote is not.

    >>> error = msgspec.ValidationError("Invalid enum value 'x' - at `$.event_details.plan`")
    >>> refusal_of(error).detail
    'event_details.plan: not one of the symbols'
    """
    message = str(error)
    path = ".".join(_path(message)) or "event"
    for start, reason, rule in _RULES:
        if message.startswith(start):
            return Refusal(reason, f"{path}: {_told(reason, rule, message)}")
    return Refusal(Reason.BAD_VALUE, f"{path}: not usable")


def is_final(error: Exception, payload: bytes) -> bool:
    """Return whether what the strict decoder found wrong is wrong for good.

    An unknown field is not, and a field is not if its key, one that it is in, or the event type
    comes again: the last wins. Where that cannot be seen at a glance the answer is False.
    """
    message = str(error)
    if not isinstance(error, msgspec.ValidationError) or message.startswith(_PASSING):
        return False
    names = _path(message)
    if b"\\" in payload or not names or "[" in message:
        return False
    return all(payload.count(b'"%b"' % name.encode()) <= 1 for name in ("event_type", *names))


def _path(message: str) -> list[str]:
    # The path comes last and its names hold no backtick, so a quoted value cannot fake it.
    _, found, path = message.rpartition(" - at `$")
    names = path[1:-1].split(".") if found and len(path) > 1 else []
    missing = _MISSING.match(message)
    return [*names, missing.group(1)] if missing else names


def _told(reason: Reason, rule: str, message: str) -> str:
    types = _TYPES.match(message) if reason is Reason.WRONG_TYPE else None
    return types.group(1).replace("`", "").lower() if types else rule
