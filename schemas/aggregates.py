"""What each aggregate keeps of a tile, how parts of it merge, what is written and how tiles fold.

A part is what MessagePack carries between steps; a kept value is what is merged in memory. Every
merge obeys the law: any split, any order, any grouping of the same events gives the same bytes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from schemas.sketches import estimate, sketch_of, union
from schemas.values import Plain, encode_value

__all__ = ["AGGREGATIONS", "Aggregation", "Distinct", "Moment"]

Moment: TypeAlias = tuple[int, str]
"""Event time in ms, event id: of two events, the greater one has the last word."""

_MOST_VALUES = 512
_INT64_BITS = 63


class Distinct(msgspec.Struct, gc=False):
    """A set of values that turns into a sketch once it is large, so that its size is bounded.

    >>> one, other = Distinct.of(["a"]), Distinct.of(["b", "a"])
    >>> one.merge(other.part())
    >>> one.encode() == sketch_of(["b", "a"])
    True
    """

    sketch: bytes = b""
    values: dict[Plain, None] = {}

    @classmethod
    def of(cls, values: Iterable[Plain]) -> "Distinct":
        """Return the set of some values."""
        made = cls()
        made.merge((b"", values))
        return made

    def merge(self, part: tuple[bytes, Iterable[Plain]]) -> None:
        """Add a part: a sketch, or no bytes, and values."""
        sketch, values = part
        if sketch:
            self.sketch = union(self.sketch, sketch) if self.sketch else sketch
        own = self.values
        for value in values:
            own[value] = None
        if len(self.values) > _MOST_VALUES:
            self.sketch, self.values = self.encode(), {}

    def part(self) -> tuple[bytes, list[Plain]]:
        """Return the part that merges to the same set."""
        return self.sketch, list(self.values)

    def encode(self) -> bytes:
        """Return the sketch of all values in its canonical bytes."""
        if not self.sketch:
            return sketch_of(self.values)
        return union(self.sketch, sketch_of(self.values)) if self.values else self.sketch


class Aggregation(NamedTuple):
    """The functions of one aggregate.

    `first(value, moment)` and `add(gathered, value, moment)` gather single events, in which
    `moment` is (event time in ms, event id); `gathered(it)` turns what they made into a part.
    `thaw(part)` and `merge(kept, part)` keep parts, and `freeze(kept)` gives one. `encode(n, kept)`
    is a cell's value; `fold(values)` that of a span, from the decoded values of its tiles, at least
    one and the oldest first.
    """

    first: Callable[[Any, Moment], Any]
    add: Callable[[Any, Any, Moment], Any]
    gathered: Callable[[Any], Any]
    thaw: Callable[[Any], Any]
    merge: Callable[[Any, Any], Any]
    freeze: Callable[[Any], Any]
    encode: Callable[[int, Any], bytes]
    fold: Callable[[Sequence[Any]], Any]


def _same(kept: Any) -> Any:
    return kept


def _nothing(*_given: Any) -> None:
    """A count is the number of events, which every tile has beside what its aggregate keeps."""


def _encode_count(n: int, _kept: None) -> bytes:
    return encode_value(n)


def _encode_kept(_n: int, kept: Any) -> bytes:
    return encode_value(kept)


def _value(value: Any, _moment: Moment) -> Any:
    return value


def _add_sum(total: int, value: int, _moment: Moment) -> int:
    return total + value


def _thaw_sum(part: int | bytes) -> int:
    return int.from_bytes(part, "big", signed=True) if isinstance(part, bytes) else part


def _merge_sum(total: int, part: int | bytes) -> int:
    return total + _thaw_sum(part)


def _freeze_sum(total: int) -> int | bytes:
    """Keep sums exact beyond int64: saturating before the end would depend on the order."""
    bits = total.bit_length()
    return total if bits <= _INT64_BITS else total.to_bytes(bits // 8 + 1, "big", signed=True)


def _add_min(least: Any, value: Any, _moment: Moment) -> Any:
    return min(value, least)


def _add_max(greatest: Any, value: Any, _moment: Moment) -> Any:
    return max(value, greatest)


def _first_last(value: Any, moment: Moment) -> list[Any]:
    return [*moment, value]


def _add_last(last: list[Any], value: Any, moment: Moment) -> list[Any]:
    return last if (last[0], last[1]) > moment else [*moment, value]


def _merge_last(last: list[Any], part: list[Any]) -> list[Any]:
    return last if (last[0], last[1]) > (part[0], part[1]) else part


def _encode_last(_n: int, last: list[Any]) -> bytes:
    return encode_value(last[2])


def _newest(values: Sequence[Any]) -> Any:
    return values[-1]


def _first_distinct(value: Plain, _moment: Moment) -> dict[Plain, None]:
    # Not a set: the garbage collector passes over a dict of such keys.
    return {value: None}


def _add_distinct(values: dict[Plain, None], value: Plain, _moment: Moment) -> dict[Plain, None]:
    values[value] = None
    return values


def _gathered_distinct(values: dict[Plain, None]) -> tuple[bytes, list[Plain]]:
    return Distinct.of(values).part() if len(values) > _MOST_VALUES else (b"", list(values))


def _thaw_distinct(part: Any) -> Distinct:
    return _merge_distinct(Distinct(), part)


def _merge_distinct(kept: Distinct, part: Any) -> Distinct:
    kept.merge(part)
    return kept


def _encode_distinct(_n: int, kept: Distinct) -> bytes:
    return kept.encode()


def _fold_distinct(sketches: Sequence[bytes]) -> int:
    return estimate(*sketches)


_COUNT = Aggregation(
    first=_nothing,
    add=_nothing,
    gathered=_nothing,
    thaw=_nothing,
    merge=_nothing,
    freeze=_nothing,
    encode=_encode_count,
    fold=sum,
)
_SUM = Aggregation(
    first=_value,
    add=_add_sum,
    gathered=_freeze_sum,
    thaw=_thaw_sum,
    merge=_merge_sum,
    freeze=_freeze_sum,
    encode=_encode_kept,
    fold=sum,
)
_MIN = Aggregation(
    first=_value,
    add=_add_min,
    gathered=_same,
    thaw=_same,
    merge=min,
    freeze=_same,
    encode=_encode_kept,
    fold=min,
)
_LAST = Aggregation(
    first=_first_last,
    add=_add_last,
    gathered=_same,
    thaw=_same,
    merge=_merge_last,
    freeze=_same,
    encode=_encode_last,
    fold=_newest,
)
_DISTINCT = Aggregation(
    first=_first_distinct,
    add=_add_distinct,
    gathered=_gathered_distinct,
    thaw=_thaw_distinct,
    merge=_merge_distinct,
    freeze=Distinct.part,
    encode=_encode_distinct,
    fold=_fold_distinct,
)
AGGREGATIONS = {
    "count": _COUNT,
    "sum": _SUM,
    "min": _MIN,
    "max": _MIN._replace(add=_add_max, merge=max, fold=max),
    "approx_distinct": _DISTINCT,
    "last": _LAST,
}
"""All aggregates by the name that feature files use."""
