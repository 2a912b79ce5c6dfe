"""What the live job told of each second and when, what came too late, and what is true."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from local.demo_rows import Row
from local.generate import Message
from schemas.metric import Metric
from schemas.times import parse_rfc3339

__all__ = ["WINDOW", "Second", "Total", "seconds_of", "sums_of", "unlike_truth"]

WINDOW = "1s"
"""The windows that are looked at: the shortest ones of the demo."""

_SECOND = 1_000_000
_MONEY = "currency"
_SumKey: TypeAlias = tuple[str, str, str]


class Second(NamedTuple):
    """The events of one window over all keys, by when they were told.

    `on_time` up to the pane that closed the window; `late` in panes after it; `too_late` in none.
    `before` and `after` are what the view says without and with the recomputation. `start` is in
    microseconds.
    """

    start: int
    on_time: int
    late: int
    too_late: int
    before: int
    after: int


class Total(NamedTuple):
    """A measure of a metric, added up over all windows, before and after the recomputation.

    `key` is a currency where money is added, else empty.
    """

    metric: str
    measure: str
    key: str
    before: int
    after: int


def seconds_of(
    metric: Metric,
    panes: Iterable[Row],
    late: Iterable[Row],
    before: Iterable[Row],
    after: Iterable[Row],
) -> list[Second]:
    """Return the seconds of a metric, in their order.

    Args:
        metric: whose rows these are.
        panes: all rows of its pane table; those of a recomputation are left out.
        late: all rows of `ops.late`.
        before: what the view said before the recomputation.
        after: what it says after it.
    """
    punctual, told = _live(metric, panes)
    missed = _too_late(f"{metric.name}/{WINDOW}", late)
    counts = [_counted(rows) for rows in (before, after)]
    starts = sorted({*told, *missed, *counts[0], *counts[1]})
    return [
        Second(
            start,
            punctual[start],
            told[start] - punctual[start],
            missed[start],
            counts[0][start],
            counts[1][start],
        )
        for start in starts
    ]


def _live(metric: Metric, panes: Iterable[Row]) -> tuple[Counter[int], Counter[int]]:
    """Return how many events of each second were told on time, and how many in the end."""
    names = [each.name for each in metric.dimensions]
    of_key: dict[tuple[int, tuple[Any, ...]], list[Row]] = defaultdict(list)
    for row in panes:
        if row["window"] == WINDOW and row["generation"] == 0:
            key = tuple(row.get(name) for name in names)
            of_key[parse_rfc3339(row["window_start"]), key].append(row)
    punctual: Counter[int] = Counter()
    told: Counter[int] = Counter()
    for (start, _), rows in of_key.items():
        closing = [row["event_count"] for row in rows if row["timing"] != "late"]
        punctual[start] += max(closing, default=0)
        told[start] += max(row["event_count"] for row in rows)
    return punctual, told


def _too_late(name: str, late: Iterable[Row]) -> Counter[int]:
    times = {
        row["event_id"]: parse_rfc3339(row["event_timestamp"])
        for row in late
        if name in row.get("late_for", ())
    }
    return Counter(moment // _SECOND * _SECOND for moment in times.values())


def _counted(rows: Iterable[Row]) -> Counter[int]:
    found: Counter[int] = Counter()
    for row in rows:
        if row["window"] == WINDOW and row["event_count"]:
            found[parse_rfc3339(row["window_start"])] += row["event_count"]
    return found


def sums_of(
    metrics: Iterable[Metric],
    before: Mapping[str, Sequence[Row]],
    after: Mapping[str, Sequence[Row]],
) -> list[Total]:
    """Return counts and sums of money of all metrics; other sums mean little over all keys."""
    sums: list[dict[_SumKey, int]] = [{}, {}]
    for metric in metrics:
        names = {each.name for each in metric.dimensions}
        for found, rows in zip(sums, (before, after), strict=True):
            for measure in metric.measures:
                is_money = measure.measure == "sum" and _MONEY in names
                if measure.measure == "count" or is_money:
                    of_view = rows.get(metric.name, ())
                    _add(found, (metric.name, measure.name), of_view, by_currency=is_money)
    keys = sorted({*sums[0], *sums[1]})
    return [Total(*key, sums[0].get(key, 0), sums[1].get(key, 0)) for key in keys]


def _add(
    found: dict[_SumKey, int], names: tuple[str, str], rows: Iterable[Row], *, by_currency: bool
) -> None:
    for row in rows:
        if row["window"] == WINDOW:
            key = (*names, str(row.get(_MONEY, "")) if by_currency else "")
            found[key] = found.get(key, 0) + int(row.get(names[1]) or 0)


def unlike_truth(messages: Sequence[Message], seconds: Iterable[Second]) -> list[str]:
    """Return the seconds whose count after the recomputation is not that of the events.

    Of two contents of one id either may have been kept.
    """
    sure: Counter[int] = Counter()
    either: dict[str, set[int]] = defaultdict(set)
    for message in messages:
        start = message.time // _SECOND * _SECOND
        if message.rival:
            either[message.event["event_id"]].add(start)
        elif message.label in ("event", "late"):
            sure[start] += 1
    found = Counter({second.start: second.after for second in seconds})
    possible = Counter(start for starts in either.values() for start in starts)
    problems = [
        f"the second {start // _SECOND % 60} has {found[start]} events instead of {sure[start]}"
        for start in sorted({*found, *sure})
        if not sure[start] <= found[start] <= sure[start] + possible[start]
    ]
    if sum(found.values()) != sum(sure.values()) + len(either):
        wanted = sum(sure.values()) + len(either)
        problems.append(f"the windows have {sum(found.values())} events in all, not {wanted}")
    return problems
