"""Tells what is wrong with bytes that no decoder takes."""

import json
import re

import numpy as np

from schemas.refusal import Refusal
from schemas.rejected import Reason

__all__ = ["is_deeper", "malformed"]

# A string that is never closed is taken to the end, so that no payload makes this quadratic.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_ODDITIES = ("NaN", "Infinity", "\\u")
_NOT_JSON = Refusal(Reason.NOT_JSON, "payload: not JSON")
# As signed bytes: one level more, or less.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_OTHERS = bytes(set(range(256)) - set(b"[{]}"))


def is_deeper(payload: bytes, limit: int) -> bool:
    """Return whether objects and arrays are nested more than `limit` deep, the outermost counted.

    >>> is_deeper(b'{"a": ["[[["]}', 2)
    False
    """
    if payload.count(b"[") + payload.count(b"{") <= limit:
        return False
    steps = _without_strings(payload).translate(_STEPS, _OTHERS)
    levels = np.frombuffer(steps, np.int8).cumsum(dtype=np.int64)
    return bool((levels > limit).any())


def _without_strings(payload: bytes) -> bytes:
    # Where no quote can be escaped, every second part is a string, also the one never closed.
    if b"\\" not in payload:
        return b"".join(payload.split(b'"')[::2])
    return _STRING.sub(b"", payload)


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
