"""When the stream of the proof runs, and how long the tiles of its features are."""

from pathlib import Path
from typing import NamedTuple

import yaml

from local.feature_rules import SHIPPED

__all__ = ["MINUTE", "SECOND", "Schedule", "write_features"]

SECOND = 1_000_000
MINUTE = 60 * SECOND

_LEAST_TILE = 5
_MINUTES_A_DAY = 1_440
# How much older than the least delay an event may be and is not late; by the story it is up to 7 s.
_PATIENCE = 18 * SECOND
_LEAD = 12 * SECOND
_TAIL = 8 * SECOND


class Schedule(NamedTuple):
    """Publish times of the stream, from `begin` to `end`; tiles of `tile` minutes.

    `closing` is the end of a tile, and the first events after it are published soon after `begin`.
    All events are `delay` older than their publish time, or more.
    """

    begin: int
    end: int
    closing: int
    tile: int
    delay: int

    @property
    def horizon(self) -> int:
        """How late an event may be for the jobs, in whole seconds."""
        return -(-self.delay // SECOND) * SECOND + _PATIENCE

    @property
    def closed(self) -> int:
        """When no live job writes the tile before `closing` any more, and it may be repaired."""
        return self.closing + 2 * self.horizon

    def lateness(self, published: int) -> int:
        """How much later than `closing` a repair has to read, in whole seconds.

        Args:
            published: when the last message was, which is after `end` on a busy machine.
        """
        return max(2 * self.horizon, -(-(published - self.closing) // SECOND) * SECOND)

    @classmethod
    def at(cls, begin: int, seconds: int) -> "Schedule":
        """Return the schedule that can repair soonest, of a stream that lasts so long, or longer.

        Tiles may not be shorter than five minutes. So their length is chosen such that one ends
        soon; or events are older than they need be, where one has ended shortly before.

        >>> schedule = Schedule.at(6 * MINUTE - 20 * SECOND, 45)
        >>> schedule.tile, schedule.closing // MINUTE, schedule.delay // SECOND
        (6, 6, 0)
        >>> schedule = Schedule.at(6 * MINUTE + 10 * SECOND, 45)
        >>> schedule.tile, schedule.closing // MINUTE, schedule.delay // SECOND
        (6, 6, 22)
        """
        around = range(begin // MINUTE - _LEAST_TILE, begin // MINUTE + 2 * _LEAST_TILE)
        ends = ((n, _tile_that_ends(n % _MINUTES_A_DAY)) for n in around)
        found = [cls._with(begin, seconds, n * MINUTE, tile) for n, tile in ends if tile]
        return min(found, key=lambda schedule: schedule.closed)

    @classmethod
    def _with(cls, begin: int, seconds: int, closing: int, tile: int) -> "Schedule":
        delay = max(0, begin + _LEAD - closing)
        end = max(begin + seconds * SECOND, closing + delay + _TAIL)
        return cls(begin, end, closing, tile, delay)


def _tile_that_ends(minute: int) -> int | None:
    lengths = range(_LEAST_TILE, _MINUTES_A_DAY + 1)
    return next((n for n in lengths if _MINUTES_A_DAY % n == 0 and minute % n == 0), None)


def write_features(folder: Path, tile: int) -> None:
    """Write the shipped features with tiles of so many minutes, and a last one beside them."""
    folder.mkdir()
    for file in sorted(SHIPPED.glob("*.yaml")):
        spec = {**yaml.safe_load(file.read_text()), "tile": f"{tile}m"}
        last = {"name": "page_of_tile", "aggregate": "last", "field": "event_details.page"}
        spec["features"] = [*spec["features"], last]
        (folder / file.name).write_text(yaml.safe_dump(spec, sort_keys=False))
