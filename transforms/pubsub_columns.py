"""Pub/Sub's serialised messages taken apart all at once, field by field, where that is safe."""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from transforms.pubsub_wire import parse_column_wise

__all__ = ["Columns", "columns_of"]

_INT32_MAX = 2**31 - 1


class Columns(NamedTuple):
    """The fields of messages, in their order; `entries` are serialised attributes.

    Times are in microseconds. A field that a message does not have is empty.
    """

    payloads: list[bytes]
    entries: list[tuple[bytes, ...]]
    message_ids: list[str]
    publish_times: list[int]
    ordering_keys: list[str]


def columns_of(serialised: Sequence[bytes]) -> Columns | None:
    r"""Return the fields of messages; None where they have to be read one by one.

    That is so of bytes that are no message, of one that has a field twice or no time of publishing,
    and of times before 1970.

    >>> message = b"\n\x02{}\x1a\x017\x22\x04\x08\x05\x10\x00"
    >>> columns_of([message, message]).publish_times
    [5000000, 5000000]
    """
    count = len(serialised)
    try:
        # Each message is followed by the mark, so all that is between two marks is of one message.
        parsed = parse_column_wise(_MARK.join([*serialised, b""]))
    except DecodeError:
        return None
    # Only if each mark was read as such, no message ended in the midst of a field.
    payloads = _one_each(parsed.data[:], _SECRET, count, b"")
    entries = _rows(parsed.attributes[:], count)
    ids = _one_each(parsed.message_id[:], _LETTER, count, "")
    times = _times(parsed.publish_time, count)
    keys = _one_each(parsed.ordering_key[:], _LETTER, count, "")
    if payloads is None or entries is None or ids is None or times is None or keys is None:
        return None
    return Columns(payloads, entries, ids, times, keys)


def _one_each(column: list[Any], mark: Any, count: int, absent: Any) -> list[Any] | None:
    """Return the value before each mark, or what stands for none; None where there are more."""
    marks = column.count(mark)
    if marks != count:
        return None
    if len(column) == 2 * count and column[1::2].count(mark) == count:
        return column[::2]
    if len(column) == count:
        return [absent] * count
    found: list[Any] = []
    alone = True
    for value in column:
        if value != mark:
            found.append(value)
        elif alone:
            found.append(absent)
        alone = value == mark
    # A message adds one, or as many as it has of them: so many in all, and each has added one.
    return found if len(found) == count else None


def _rows(column: list[bytes], count: int) -> list[tuple[bytes, ...]] | None:
    """Return all that is before each mark."""
    if column.count(_BYTE) != count:
        return None
    width = len(column) // count
    if len(column) == width * count and column[width - 1 :: width].count(_BYTE) == count:
        return [*zip(*(column[place::width] for place in range(width - 1)), strict=True)] or (
            [()] * count
        )
    rows = []
    begin = 0
    for _ in range(count):
        end = column.index(_BYTE, begin)
        rows.append(tuple(column[begin:end]))
        begin = end + 1
    return rows


def _times(parsed: Any, count: int) -> list[int] | None:
    seconds = _one_each(parsed.seconds[:], _BEFORE, count, _BEFORE)
    nanos = _one_each(parsed.nanos[:], _BEFORE, count, 0)
    if seconds is None or nanos is None or min(seconds) < 0:
        return None
    if min(nanos) < 0 or max(nanos) > _INT32_MAX:
        return None
    return [second * 1_000_000 + nano // 1_000 for second, nano in zip(seconds, nanos, strict=True)]


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2, len(content))) + content


# Nobody can have sent it, as it is another one in each process. All else that marks is what is not
# among usual values; what Python keeps once is found quicker than what it makes each time.
_SECRET = secrets.token_hex(8).encode()
_BYTE, _LETTER, _BEFORE = b"\0", "\0", -1
_MINUS_ONE = b"\xff" * 9 + b"\x01"
_MARK = b"".join(
    (
        _field(1, _SECRET),
        _field(2, _BYTE),
        _field(3, _LETTER.encode()),
        _field(4, b"\x08" + _MINUS_ONE + b"\x10" + _MINUS_ONE),
        _field(5, _LETTER.encode()),
    )
)
