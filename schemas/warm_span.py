"""What a warm start has to read so that its job covers every tile that its messages may enter."""

from typing import NamedTuple

from schemas.events import MIN_MICROS

__all__ = ["WarmSpan", "warm_span"]


class WarmSpan(NamedTuple):
    """What is read, and what is covered by it; in microseconds.

    The archive is read from the publish time `start` on, and so all tiles are covered that begin at
    the event time `covers_from` or later.
    """

    start: int
    covers_from: int


def warm_span(oldest: int, horizon: int, longest_tile: int, max_future: int) -> WarmSpan:
    """Return the span for a job whose oldest unacknowledged message was published at `oldest`.

    A message that is not late tells of an event at most `horizon` before its publish time, and the
    tile of that event begins less than `longest_tile` before it: so from `covers_from` on begin all
    tiles that the job's messages may enter. An event is at most `max_future` ahead of its publish
    time, so from `start` on were published all events of those tiles. All in microseconds.

    Where a message is older than was supposed, the tiles that it may enter and that begin before
    `covers_from` are withheld; nothing becomes wrong.

    >>> warm_span(oldest=1_000, horizon=100, longest_tile=50, max_future=10)
    WarmSpan(start=840, covers_from=850)
    """
    covers_from = max(MIN_MICROS, oldest - horizon - longest_tile)
    return WarmSpan(max(MIN_MICROS, covers_from - max_future), covers_from)
