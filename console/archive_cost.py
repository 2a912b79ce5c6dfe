"""What `penstock archive cost` does: how much a replay of a range would read."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from console.archive_range import ArchiveRange

__all__ = ["Prices", "archive_cost"]

_GB = 10**9


class Prices(NamedTuple):
    """What the user pays, in any currency; None: not told, so nothing is said about money."""

    gb_month: float | None
    worker_hour: float | None

    @classmethod
    def of(cls, gb_month: float | None, worker_hour: float | None) -> "Prices":
        """Check prices.

        Raises:
            ValueError: one line that names the option and the remedy.
        """
        given = {"--price_per_gb_month": gb_month, "--price_per_worker_hour": worker_hour}
        for option, price in given.items():
            if price is not None and not 0 <= price < math.inf:
                msg = f"{option} {price}: give a number from 0 on, or leave it out"
                raise ValueError(msg)
        return cls(gb_month, worker_hour)


def archive_cost(
    chosen: ArchiveRange, rate: int, prices: Prices, complain: Callable[[str], None]
) -> Iterator[str]:
    """Yield the lines that tell what a replay would read and what the archive keeps.

    Args:
        chosen: what is asked for; the objects that touch it are read whole.
        rate: events that a worker gets done in a second.
        prices: what the user pays.
        complain: takes the line about a damaged record.
    """
    objects = events = size = kept = 0
    for source in chosen.sources:
        for hour in chosen.hours(source, complain):
            for entry in chosen.meant(hour.entries):
                objects += 1
                events += entry.events
                size += entry.size
            kept += sum(listed.size for listed in hour.objects.values())
    worker_hours = events / rate / 3_600
    told = {
        "sources": ", ".join(chosen.sources),
        "objects": str(objects),
        "events": str(events),
        "bytes": str(size),
        "at rest": f"{kept} bytes in these hours, with what is replaced and with orphans",
        "estimate": f"{worker_hours:.2f} worker hours at {rate} events a second and worker",
    }
    if prices.gb_month is not None:
        cost = kept / _GB * prices.gb_month
        told["storage"] = f"{cost:.2f} a month at {prices.gb_month:g} for 10^9 bytes"
    if prices.worker_hour is not None:
        cost = worker_hours * prices.worker_hour
        told["workers"] = f"{cost:.2f} at {prices.worker_hour:g} for an hour"
    yield from (f"{name + ':':<10}{value}" for name, value in told.items())
