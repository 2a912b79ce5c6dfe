"""A metric as it was declared and checked: what is measured of which events, in which windows."""

import msgspec

from schemas.declaration_where import Condition
from schemas.durations import format_duration
from schemas.times import DAY
from schemas.values import Plain, ValueType

__all__ = [
    "AGE_MS",
    "EVENTS",
    "FILL_WITHIN",
    "REJECTS",
    "Dimension",
    "Measure",
    "Metric",
    "Triggers",
    "window_name",
]

AGE_MS = "age_ms"
"""The path of a field that no contract has: publish time less event time in ms."""

EVENTS = "events"
REJECTS = "rejects"
"""What a metric may measure, its `source`."""

FILL_WITHIN = "7d"
"""How far back zeros are shown where a metric does not say it."""


class Dimension(msgspec.Struct, frozen=True):
    """A part of the key: the value at `path`; null where an event has none, which is a value too.

    `value` is a string (enums and UUIDs too), long, boolean, date, timestamp or decimal.
    """

    name: str
    path: str
    value: ValueType


class Measure(msgspec.Struct, frozen=True):
    """One number of a metric: `measure` of the values at `field` of those events that pass `where`.

    `event_types` are those that can contribute. `field` is None of a plain count and of a ratio,
    and `of` is empty but of a ratio: the names of its numerator and denominator. `value` is the
    type of the result: that of the field of min and max, long or decimal of a sum, long of a count
    and of approx_distinct, double of a ratio.
    """

    name: str
    measure: str
    field: str | None
    where: tuple[Condition, ...]
    event_types: tuple[str, ...]
    value: ValueType
    of: tuple[str, ...] = ()


class Triggers(msgspec.Struct, frozen=True):
    """When a live job tells the value of a window.

    `speculative_every` (microseconds; None: never) before the watermark has passed its end;
    `on_time` when that passes; `on_late` after it with each bundle that changes the window.
    """

    speculative_every: int | None
    on_time: bool
    on_late: bool


class Metric(msgspec.Struct, frozen=True):
    """Measures of the events of each window under each combination of the dimensions' values.

    `windows` are lengths in microseconds, the shortest first; `where` and `event_types` say which
    events belong to the metric at all: these are what `event_count` counts. `fill` holds the keys
    (values in the order of the dimensions) under which a window without events is zero instead of
    absent, if it begins less than `fill_within` (microseconds) before the last one that is known.
    `bigtable`: windows are cells of a Bigtable table too. `slot` names this definition in parts and
    saved state: it changes with whatever changes the meaning of an entry, not with windows,
    lateness, triggers and fill.
    """

    name: str
    doc: str
    source: str
    windows: tuple[int, ...]
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    where: tuple[Condition, ...]
    event_types: tuple[str, ...]
    allowed_lateness: int
    triggers: Triggers
    fill: tuple[tuple[Plain | None, ...], ...]
    bigtable: bool
    slot: int
    fill_within: int = 7 * DAY

    @property
    def kept(self) -> tuple[Measure, ...]:
        """The measures that a part has an entry of, in the order of the entries: all but ratios."""
        return tuple(each for each in self.measures if not each.of)

    @property
    def least_horizon(self) -> int:
        """The shortest horizon of dedupe, in microseconds, under which no copy is counted twice."""
        return self.allowed_lateness + self.windows[-1]


def window_name(length: int) -> str:
    """Return what tables call windows of a length.

    >>> window_name(300_000_000)
    '5m'
    """
    return format_duration(length)
