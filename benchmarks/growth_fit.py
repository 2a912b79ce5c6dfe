"""How a figure grows with an input: the exponent of a power law, by least squares."""

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Fit", "fitted", "without_start"]


class Fit(NamedTuple):
    """`y = factor * x ** exponent`, nearest to the points in logarithms."""

    exponent: float
    factor: float

    def at(self, x: float) -> float:
        """Return what the law says for x.

        >>> Fit(exponent=2.0, factor=3.0).at(10.0)
        300.0
        """
        return self.factor * float(x**self.exponent)


def fitted(points: Sequence[tuple[float, float]]) -> Fit | None:
    """Fit a power law to (x, y); None where fewer than two x have a y above 0.

    >>> law = fitted([(1, 2.0), (10, 20.0), (100, 200.0)])
    >>> round(law.exponent, 6), round(law.factor, 6)
    (1.0, 2.0)
    """
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    exponent = sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread
    return Fit(exponent, math.exp(mean_y - exponent * mean_x))


def without_start(
    points: Sequence[tuple[float, float]], start: float, done: float = 0.0
) -> list[tuple[float, float]]:
    """Take from each y what there is when only `done` of x is done, and that from each x.

    A fixed start flattens a curve: what is left has the exponent of the work. What had no more than
    the start has 0 left.

    >>> without_start([(11, 3.0), (21, 5.0)], 1.0, done=1)
    [(10, 2.0), (20, 4.0)]
    """
    return [(x - done, max(0.0, y - start)) for x, y in points]
