"""Distinct counts: Apache DataSketches theta sketches (lg_k 11) in one canonical form of bytes.

The bytes depend on the set of values only: not on their order, their repetitions, nor on how they
were split and merged, because a sketch is trimmed to the k smallest hashes before it is written.
Up to 2,048 values the count is exact; above, the standard error is about 2.2 %.
Method: Dasgupta, Lang, Rhodes, Thaler, "A Framework for Estimating Unique Counts from Multiple
Streams", ICDT 2016; https://datasketches.apache.org/docs/Theta/ThetaSketches.html.
"""

from collections.abc import Iterable

from datasketches import compact_theta_sketch, theta_union, update_theta_sketch

from schemas.values import Plain

__all__ = ["LG_K", "estimate", "sketch_of", "union"]

LG_K = 11
_EMPTY_STRING = "\0"


def sketch_of(values: Iterable[Plain]) -> bytes:
    """Return the sketch of some values.

    Strings are fed as UTF-8, booleans as the integers 0 and 1, other integers as int64, doubles as
    doubles, bytes as their hexadecimal text. The empty string, which the library would ignore, is
    fed as the one character U+0000; so are no bytes, whose text is empty.

    >>> sketch_of(["a", "b"]) == sketch_of(["b", "a", "b"])
    True
    """
    sketch = update_theta_sketch(lg_k=LG_K)
    update = sketch.update
    for value in values:
        plain = value.hex() if isinstance(value, bytes) else value
        update(plain or _fed(plain))
    sketch.trim()
    return bytes(sketch.compact(ordered=True).serialize())


def union(*sketches: bytes) -> bytes:
    """Return the sketch of all values of some sketches.

    >>> union(sketch_of(["a"]), sketch_of(["b"])) == sketch_of(["a", "b"])
    True
    """
    merged = theta_union(lg_k=LG_K)
    for encoded in sketches:
        merged.update(compact_theta_sketch.deserialize(encoded))
    return bytes(merged.get_result(ordered=True).serialize())


def estimate(*sketches: bytes) -> int:
    """Return the number of distinct values in the union, rounded; exact up to 2,048.

    >>> estimate(sketch_of(["a", "b"]), sketch_of(["b", "c"])), estimate()
    (3, 0)
    """
    # One sketch in canonical form is its own union, which would take twenty times as long.
    whole = sketches[0] if len(sketches) == 1 else union(*sketches)
    return round(float(compact_theta_sketch.deserialize(whole).get_estimate()))


def _fed(value: Plain) -> Plain:
    """What is fed for a value that is false: only the empty string is replaced."""
    return _EMPTY_STRING if value == "" else value
