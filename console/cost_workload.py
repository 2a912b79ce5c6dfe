"""What a stream is like: the workload that `penstock cost` reckons a bill and limits for."""

import math
from typing import NamedTuple

__all__ = ["AUTO", "Workload"]

AUTO = 0
"""Shards: as few as the stream needs, a power of two."""

_BOUNDS = {
    "events_per_second": (0.001, 1e9, "events a second"),
    "bytes_per_event": (0, 1e7, "bytes of a payload, 0 as measured"),
    "entities": (1, 1e12, "rows of Bigtable that have events while values are kept"),
    "retention_days": (0.01, 36_500, "days that values, rows and archive are kept"),
    "duplicates": (0, 0.99, "share of messages that are copies"),
    "horizon_hours": (0.001, 8_760, "hours"),
    "hot_key_share": (0, 1, "share of events that belong to one entity"),
    "messages_per_bundle": (1, 1e6, "messages that leave the source together"),
    "metric_keys": (0, 1e9, "keys of metrics that have events in every minute"),
    "queries_per_day": (0, 1e9, "queries of the views of metrics a day"),
}


class Workload(NamedTuple):
    """A stream, and how it is processed; `shards` is `AUTO` or a number.

    `bytes_per_event` of 0 is that of the measured events.
    """

    events_per_second: float
    bytes_per_event: float
    entities: float
    retention_days: float
    duplicates: float
    horizon_hours: float
    hot_key_share: float
    shards: int
    messages_per_bundle: float
    metric_keys: float
    queries_per_day: float

    @classmethod
    def of(cls, **given: float) -> "Workload":
        """Check a workload.

        Raises:
            ValueError: one line that names the option and the remedy.
        """
        for name, (least, most, what) in _BOUNDS.items():
            value = given[name]
            if not (math.isfinite(value) and least <= value <= most):
                msg = f"--{name} {value:g}: give {what}, {least:g} to {most:g}"
                raise ValueError(msg)
        if not 0 <= given["shards"] <= 1_000_000:
            msg = f"--shards {given['shards']}: give 1 to 1000000, or leave it out"
            raise ValueError(msg)
        return cls(**given)  # type: ignore[arg-type]

    @property
    def accepted(self) -> float:
        """Events a second that are no copies."""
        return self.events_per_second * (1 - self.duplicates)

    def at(self, events_per_second: float) -> "Workload":
        """Return the same at another rate: entities and keys stay as many."""
        return self._replace(events_per_second=events_per_second)
