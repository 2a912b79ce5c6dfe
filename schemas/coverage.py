"""The event time that the input of a job covers, and the tiles that are wholly inside it."""

from typing import NamedTuple

from schemas.events import MAX_MICROS, MIN_MICROS

__all__ = ["Coverage"]


class Coverage(NamedTuple):
    """A span of event time, `[start, end)` in microseconds; the bounds of all time are none."""

    start: int = MIN_MICROS
    end: int = MAX_MICROS

    @property
    def is_everything(self) -> bool:
        """Return whether no tile is outside."""
        return self.start == MIN_MICROS and self.end == MAX_MICROS

    @property
    def is_closed(self) -> bool:
        """Return whether both ends are given."""
        return self.start > MIN_MICROS and self.end < MAX_MICROS

    def holds(self, start: int, length: int) -> bool:
        """Return whether a tile is wholly inside.

        >>> Coverage(5, 20).holds(10, 10), Coverage(5, 20).holds(0, 10), Coverage(5).holds(20, 10)
        (True, False, True)
        """
        return start >= self.start and (self.end == MAX_MICROS or start + length <= self.end)

    def whole_tiles(self, length: int) -> tuple[int, int]:
        """Return where the first whole tile of a length starts, and where the last one ends.

        Where there is none, the end is not after the start.

        >>> Coverage(5, 39).whole_tiles(10), Coverage(15, 21).whole_tiles(10)
        ((10, 30), (20, 20))
        """
        return -(-self.start // length) * length, self.end // length * length
