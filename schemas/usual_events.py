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
    decode: Callable[[bytes], Any],
    payloads: Iterable[bytes],
    errors: tuple[type[Exception], ...],
    told: list[Exception] | None = None,
) -> tuple[list[Any], list[int]]:
    """Return what of the payloads could be decoded, and the places of those that could not.

    The error of each of these is added to `told`.

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
        except errors as error:  # noqa: PERF203 (it ends at once where nothing is refused)
            failed.append(len(records) + len(failed))
            if told is not None:
                # Its traceback would keep all that is decoded until a garbage collection.
                told.append(error.with_traceback(None))
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
            *_not_short(records),
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
    ahead = max(map(sub, times, references))
    if min(times) >= EARLIEST and max(times) <= LATEST and ahead <= max_future:
        return ()
    return [
        row
        for row, (time, reference) in enumerate(zip(times, references, strict=True))
        if not EARLIEST <= time <= LATEST or time - reference > max_future
    ]


def _not_short(records: Sequence[Any]) -> Iterable[int]:
    lengths = {len(record.event_id) for record in records}
    lengths |= {len(user) for record in records if (user := record.user_id) is not None}
    lengths |= {len(session) for record in records if (session := record.session_id) is not None}
    if min(lengths) > 0 and max(lengths) <= SHORT:
        return ()
    return [
        row
        for row, record in enumerate(records)
        for each in (record.event_id, record.user_id, record.session_id)
        if each is not None and not 0 < len(each) <= SHORT
    ]
