"""What a replay reads: a span of event time, and the span of publish time that holds it."""

import msgspec

from schemas.manifest import ManifestEntry
from schemas.times import format_rfc3339

__all__ = ["ReplayPlan", "ReplaySpan", "readable"]

_YEAR_1 = -62_135_596_800_000_000
_YEAR_10000 = 253_402_300_800_000_000


class ReplaySpan(msgspec.Struct, frozen=True):
    """Event time `[start, end)` and publish time `[published_from, published_to)`; microseconds.

    An event may lie ahead of its publish time by `max_future`, and behind it by `max_lateness`: all
    events of the span that are within these bounds were published in the second range. What else
    was published there is read as well, and its tiles are withheld. `with_published`: whether all
    that was published in [`start`, `end`) is needed too, whatever its event times.
    """

    start: int
    end: int
    published_from: int
    published_to: int
    with_published: bool = False

    @classmethod
    def of(cls, start: int, end: int, max_future: int, max_lateness: int) -> "ReplaySpan":
        """Return the span of some event time; lengths in microseconds.

        >>> ReplaySpan.of(100, 200, max_future=10, max_lateness=20).published_to
        220
        """
        return cls(start, end, start - max_future, end + max_lateness)

    def needs(self, entry: ManifestEntry) -> bool:
        """Return whether an object may hold something of the span.

        One whose event times are not known does if it was published in time.
        """
        if entry.last_publish < self.published_from or entry.first_publish >= self.published_to:
            return False
        if entry.first_event is None or entry.last_event is None:
            return True
        if self.with_published and _meets(self, entry.first_publish, entry.last_publish):
            return True
        return _meets(self, entry.first_event, entry.last_event)

    def holds_all_of(self, entry: ManifestEntry) -> bool:
        """Return whether every message of an object was published in the range."""
        first, last = entry.first_publish, entry.last_publish
        return first >= self.published_from and last < self.published_to


def _meets(span: ReplaySpan, first: int, last: int) -> bool:
    return last >= span.start and first < span.end


class ReplayPlan(msgspec.Struct, frozen=True):
    """What a replay of one source will read: `size` in bytes; of `events` some may not be needed.

    `events` and `size` are of whole objects, since objects are read whole.
    """

    root: str
    source: str
    span: ReplaySpan
    objects: int
    events: int
    size: int

    def lines(self, events_per_worker_second: int) -> list[str]:
        """Tell the plan to a person, with an estimate of work at a rate."""
        span = self.span
        hours = self.events / events_per_worker_second / 3_600
        parts = {
            "archive": f"{self.root}, source {self.source}",
            "event time": f"{format_rfc3339(span.start)} to {format_rfc3339(span.end)}",
            "published": f"{readable(span.published_from)} to {readable(span.published_to)}",
            "objects": str(self.objects),
            "events": f"at most {self.events}",
            "bytes": str(self.size),
            "estimate": f"{hours:.2f} worker hours at {events_per_worker_second} events a second",
        }
        return [f"{name + ':':<12}{value}" for name, value in parts.items()]


def readable(moment: int) -> str:
    """Return a time as text; one outside the years that can be written as the nearest of them.

    >>> readable(2**63)
    '9999-12-31T23:59:59.999999Z'
    """
    return format_rfc3339(min(max(moment, _YEAR_1), _YEAR_10000 - 1))
