"""What each aggregate keeps of the events in a tile, how that merges, is written and folds.

An *entry* is what is kept of a tile: plain values that MessagePack carries as they are, so an entry
is the same in memory, between steps and in saved state. That of a count is the number of events;
all others are sequences that begin with it. Merging obeys the law: any split, any order, any
grouping of the same events gives the same bytes; and it changes neither of the two entries.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from schemas.sketches import estimate, sketch_of, union
from schemas.values import INT64_MAX, INT64_MIN, Plain, encode_integer, encode_value

__all__ = ["AGGREGATIONS", "Aggregation", "Moment", "is_saturated"]

Moment: TypeAlias = tuple[int, str]
"""Event time in ms, event id: of two events, the greater one has the last word."""

_MOST_VALUES = 512


class Aggregation(NamedTuple):
    """The functions of one aggregate.

    `whole(values, moment)` is the entry of some events, at least one, whose values are in order of
    their moments, of which `moment` is the last; `merge(a, b)` that of two disjoint sets of events.
    `count(entry)` is the number of events, `encode(entry)` a cell's value; `fold(values)` is that
    of a span, from the decoded values of its tiles, at least one and the oldest first.
    """

    whole: Callable[[Sequence[Any], Moment], Any]
    merge: Callable[[Any, Any], Any]
    count: Callable[[Any], int]
    encode: Callable[[Any], bytes]
    fold: Callable[[Sequence[Any]], Any]


_count_of = operator.itemgetter(0)


def is_saturated(entry: Any) -> bool:
    """Return whether the entry of a sum is beyond 64 bits, so that what is written is not the sum.

    >>> entry = AGGREGATIONS["sum"].merge((1, 2**63 - 1), (1, 1))
    >>> is_saturated(entry), is_saturated((1, 5))
    (True, False)
    """
    return isinstance(entry[1], bytes)


def _encode_second(entry: Sequence[Any]) -> bytes:
    return encode_value(entry[1])


def _whole_count(values: Sequence[Any], _moment: Moment) -> int:
    return len(values)


def _whole_last(values: Sequence[Any], moment: Moment) -> Any:
    return len(values), *moment, values[-1]


def _whole_distinct(values: Sequence[Plain], _moment: Moment) -> Any:
    # Not a set: MessagePack has none, and the garbage collector passes over such a dict.
    entry = len(values), dict.fromkeys(values), b""
    return entry if len(entry[1]) <= _MOST_VALUES else _sketched(entry)


def _whole_sum(values: Sequence[int], _moment: Moment) -> Any:
    return len(values), _travelling(sum(values))


def _whole_min(values: Sequence[Any], _moment: Moment) -> Any:
    return len(values), min(values)


def _whole_max(values: Sequence[Any], _moment: Moment) -> Any:
    return len(values), max(values)


def _merge_sum(entry: Sequence[Any], other: Sequence[Any]) -> Any:
    return entry[0] + other[0], _travelling(_number(entry[1]) + _number(other[1]))


def _encode_sum(entry: Sequence[Any]) -> bytes:
    return encode_value(_number(entry[1]))


def _number(total: int | bytes) -> int:
    return int.from_bytes(total, "big", signed=True) if isinstance(total, bytes) else total


def _travelling(total: int) -> int | bytes:
    """Keep sums exact beyond int64: saturating before the end would depend on the order."""
    if INT64_MIN <= total <= INT64_MAX:
        return total
    return total.to_bytes(total.bit_length() // 8 + 1, "big", signed=True)


def _merge_min(entry: Sequence[Any], other: Sequence[Any]) -> Any:
    return entry[0] + other[0], min(entry[1], other[1])


def _merge_max(entry: Sequence[Any], other: Sequence[Any]) -> Any:
    return entry[0] + other[0], max(entry[1], other[1])


def _merge_last(entry: Sequence[Any], other: Sequence[Any]) -> Any:
    later = entry if (entry[1], entry[2]) > (other[1], other[2]) else other
    return entry[0] + other[0], *later[1:]


def _encode_last(entry: Sequence[Any]) -> bytes:
    return encode_value(entry[3])


def _merge_distinct(entry: Sequence[Any], other: Sequence[Any]) -> Any:
    sketches = [sketch for sketch in (entry[2], other[2]) if sketch]
    sketch = union(*sketches) if len(sketches) > 1 else b"".join(sketches)
    merged = entry[0] + other[0], {**entry[1], **other[1]}, sketch
    return merged if len(merged[1]) <= _MOST_VALUES else _sketched(merged)


def _sketched(entry: Sequence[Any]) -> Any:
    """Turn many values into a sketch, so that the size of an entry is bounded."""
    return entry[0], {}, _encode_distinct(entry)


def _encode_distinct(entry: Sequence[Any]) -> bytes:
    _, values, sketch = entry
    if not sketch:
        return sketch_of(values)
    return union(sketch, sketch_of(values)) if values else bytes(sketch)


def _newest(values: Sequence[Any]) -> Any:
    return values[-1]


def _fold_distinct(sketches: Sequence[bytes]) -> int:
    return estimate(*sketches)


AGGREGATIONS = {
    "count": Aggregation(_whole_count, operator.add, operator.index, encode_integer, sum),
    "sum": Aggregation(_whole_sum, _merge_sum, _count_of, _encode_sum, sum),
    "min": Aggregation(_whole_min, _merge_min, _count_of, _encode_second, min),
    "max": Aggregation(_whole_max, _merge_max, _count_of, _encode_second, max),
    "approx_distinct": Aggregation(
        _whole_distinct, _merge_distinct, _count_of, _encode_distinct, _fold_distinct
    ),
    "last": Aggregation(_whole_last, _merge_last, _count_of, _encode_last, _newest),
}
"""All aggregates by the name that feature files use."""
