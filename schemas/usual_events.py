"""Finds, column by column, what of many decoded events is as nearly all events are."""

import re
from collections.abc import Callable, Iterable, Sequence
from operator import sub
from typing import Any

from schemas.event_bounds import EARLIEST, LATEST, MAX_ID_BYTES

__all__ = ["SHORT", "decode_each", "has_seven_digits", "unusual_rows"]

SHORT = MAX_ID_BYTES // 4
"""No character has more than four bytes, so an id of so many characters needs no closer look."""

# A fraction of a time, before its offset: numbers may have as many digits and mean no time.
has_seven_digits = re.compile(rb"\.\d{7,}[Zz+-]").search


def decode_each(
    decode: Callable[[bytes], Any], payloads: Iterable[bytes], errors: tuple[type[Exception], ...]
) -> tuple[list[Any], list[int]]:
    """Return what of the payloads could be decoded, and the places of those that could not.

    >>> decode_each(int, [b"7", b"x", b"8"], (ValueError,))
    ([7, 8], [1])
    """
    records: list[Any] = []
    failed: list[int] = []
    rest = iter(payloads)
    while True:
        try:
            # A loop in C; an error leaves in the list what came before it.
            records.extend(map(decode, rest))
        except errors:  # noqa: PERF203 (it ends at once where nothing is refused)
            failed.append(len(records) + len(failed))
        else:
            return records, failed


def unusual_rows(
    records: Sequence[Any],
    times: Sequence[int],
    payloads: Sequence[bytes],
    references: Sequence[int],
    max_future: int,
) -> list[int]:
    """Return which records need a closer look: the others are within all bounds of an event.

    Args:
        records: of the contracts.
        times: their event times, in microseconds.
        payloads: what they were decoded from; an escape may hide what is in a time.
        references: their publish times, in microseconds.
        max_future: how far an event time may lie ahead of them, in microseconds.
    """
    if not records:
        return []
    return sorted(
        {
            *_spelt_oddly(payloads),
            *_out_of_bounds(times, references, max_future),
            *_not_short([record.event_id for record in records]),
            *_not_short([record.user_id for record in records]),
            *_not_short([record.session_id for record in records]),
        }
    )


def _spelt_oddly(payloads: Sequence[bytes]) -> Iterable[int]:
    text = b"\n".join(payloads)
    if b"\\" not in text and not has_seven_digits(text):
        return ()
    return [
        row for row, payload in enumerate(payloads) if b"\\" in payload or has_seven_digits(payload)
    ]


def _out_of_bounds(
    times: Sequence[int], references: Sequence[int], max_future: int
) -> Iterable[int]:
    ahead = [*map(sub, times, references)]
    if min(times) >= EARLIEST and max(times) <= LATEST and max(ahead) <= max_future:
        return ()
    return [
        row
        for row, (time, beyond) in enumerate(zip(times, ahead, strict=True))
        if not EARLIEST <= time <= LATEST or beyond > max_future
    ]


def _not_short(ids: Sequence[str | None]) -> Iterable[int]:
    if "" not in ids and max(map(len, filter(None, ids)), default=0) <= SHORT:
        return ()
    return [row for row, each in enumerate(ids) if each is not None and not 0 < len(each) <= SHORT]
