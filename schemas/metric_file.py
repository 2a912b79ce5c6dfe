"""What a metric's file holds, and those of its values that need no contract to be checked."""

import collections
from typing import Any, Literal

import msgspec

from schemas.declaration_error import DeclarationError
from schemas.declaration_where import LONE_SURROGATE
from schemas.durations import format_duration, parse_duration
from schemas.metric import EVENTS, FILL_WITHIN, Triggers
from schemas.times import DAY, SECOND

__all__ = [
    "MeasureForm",
    "MetricForm",
    "check_doc",
    "check_of",
    "check_twice",
    "fill_within_of",
    "lateness_of",
    "named_dimensions",
    "triggers_of",
    "windows_of",
]

_LONGEST_LATENESS = 30 * DAY
_LONGEST_FILL = 366 * DAY


class MeasureForm(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of `measures`."""

    name: str
    measure: str
    field: str | None = None
    where: dict[str, Any] = {}
    of: list[str] = []


class _TriggersForm(msgspec.Struct, forbid_unknown_fields=True):
    speculative_every: str = "none"
    on_time: bool = True
    on_late: Literal["each", "none"] = "each"


class _FillForm(msgspec.Struct, forbid_unknown_fields=True):
    zero: list[dict[str, Any]] = []
    within: str = FILL_WITHIN


class MetricForm(msgspec.Struct, forbid_unknown_fields=True):
    """A whole file."""

    name: str
    doc: str
    windows: list[str]
    source: str = EVENTS
    dimensions: dict[str, str] | list[str] = {}
    measures: list[Any] = []
    where: dict[str, Any] = {}
    allowed_lateness: str = "1h"
    triggers: _TriggersForm = msgspec.field(default_factory=_TriggersForm)
    fill: _FillForm = msgspec.field(default_factory=_FillForm)
    bigtable: bool = False


def named_dimensions(raw: MetricForm) -> list[tuple[str, str]]:
    """Return names and paths; in a list of paths the last member of each is its name."""
    given = raw.dimensions
    if isinstance(given, dict):
        return [*given.items()]
    names = [path.rpartition(".")[2] for path in given]
    check_twice(names)
    return [*zip(names, given, strict=True)]


def check_doc(doc: str) -> None:
    """Refuse a doc that is empty, or that no table can have."""
    if not doc.strip():
        msg = "it is empty; say what the metric tells"
        raise DeclarationError(msg)
    if LONE_SURROGATE.search(doc):
        msg = "it holds half a character; correct it"
        raise DeclarationError(msg)


def check_twice(names: list[str]) -> None:
    """Refuse a name that is there twice."""
    for name, count in collections.Counter(names).items():
        if count > 1:
            msg = f"name '{name}' is given twice; rename one"
            raise DeclarationError(msg)


def check_of(given: MeasureForm) -> None:
    """Refuse what only a ratio has of other measures, and other things of a ratio."""
    if given.measure != "ratio":
        if given.of:
            msg = f"`of` is for ratios, not for {given.measure}; remove it"
            raise DeclarationError(msg)
        return
    if len(given.of) != 2 or given.field is not None or given.where:
        msg = "a ratio has `of: [numerator, denominator]`, and neither field nor where"
        raise DeclarationError(msg)
    if given.name in given.of:
        msg = "a ratio of itself; name two other measures"
        raise DeclarationError(msg)


def windows_of(given: list[str]) -> tuple[int, ...]:
    """Return the lengths in microseconds, the shortest first; each divides a day."""
    windows = sorted(map(parse_duration, given))
    for text, length in zip(given, map(parse_duration, given), strict=True):
        if not SECOND <= length <= DAY or length % SECOND or DAY % length:
            msg = f"{text} does not divide a day; use 1s or more, such as 1m, 5m, 1h or 1d"
            raise DeclarationError(msg)
        if windows.count(length) > 1:
            msg = f"{text} is given twice; give it once"
            raise DeclarationError(msg)
    if not windows:
        msg = "none is there; give one or more, such as [1m, 5m]"
        raise DeclarationError(msg)
    return tuple(windows)


def lateness_of(text: str) -> int:
    """Return the allowed lateness in microseconds."""
    lateness = parse_duration(text)
    if lateness > _LONGEST_LATENESS:
        msg = f"{text} is more than 30 days, and all that time windows are kept; give less"
        raise DeclarationError(msg)
    return lateness


def fill_within_of(given: _FillForm, windows: tuple[int, ...]) -> int:
    """Return for how long before the last window zeros are shown, in microseconds."""
    text, within = given.within, parse_duration(given.within)
    if text != FILL_WITHIN and not given.zero:
        msg = "within is for the keys of zero, and there are none; remove it"
        raise DeclarationError(msg)
    if not windows[-1] <= within <= _LONGEST_FILL:
        longest = format_duration(windows[-1])
        msg = f"within {text}: give at least the longest window, {longest}, and at most 366d"
        raise DeclarationError(msg)
    return within


def triggers_of(given: _TriggersForm) -> Triggers:
    """Return when values are told."""
    every = None
    if given.speculative_every != "none":
        every = parse_duration(given.speculative_every)
        if every < SECOND:
            msg = f"speculative_every {given.speculative_every} is below 1s; give more, or none"
            raise DeclarationError(msg)
    if every is None and not given.on_time and given.on_late == "none":
        msg = "nothing ever tells a value; set on_time: true"
        raise DeclarationError(msg)
    return Triggers(every, given.on_time, given.on_late == "each")
