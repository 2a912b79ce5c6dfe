"""Tells what is wrong with bytes that no decoder takes."""

import json
import re

from schemas.refusal import Refusal
from schemas.rejected import Reason

__all__ = ["is_deeper", "malformed"]

# A string that is never closed is taken to the end, so that no payload makes this quadratic.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_ODDITIES = ("NaN", "Infinity", "\\u")
_NOT_JSON = Refusal(Reason.NOT_JSON, "payload: not JSON")
_OPENING, _CLOSING = (b"[", b"{"), (b"]", b"}")


def is_deeper(payload: bytes, limit: int) -> bool:
    """Return whether objects and arrays are nested more than `limit` deep, the outermost counted.

    >>> is_deeper(b'{"a": ["[[["]}', 2)
    False
    """
    if payload.count(b"[") + payload.count(b"{") <= limit:
        return False
    level = 0
    for token in _TOKEN.finditer(payload):
        level += (token[0] in _OPENING) - (token[0] in _CLOSING)
        if level > limit:
            return True
    return False


def malformed(text: str) -> Refusal | None:
    """Name the reason for text that the decoder does not take; None: it is JSON all the same."""
    # All else that the decoder refuses is no JSON; to see that quickly counts in a flood.
    if not any(mark in text for mark in _ODDITIES):
        return _NOT_JSON
    constants: list[str] = []
    try:
        value = json.loads(text, parse_constant=constants.append, parse_int=str, parse_float=str)
    except ValueError:
        return _NOT_JSON
    if not isinstance(value, dict):
        return Refusal(Reason.NOT_AN_OBJECT, "payload: not an object")
    if constants:
        return Refusal(Reason.NUMBER_OUT_OF_RANGE, "payload: NaN or Infinity")
    return None
