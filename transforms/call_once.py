"""Work that is no stream of elements, in a pipeline: a function that is called on one worker."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

__all__ = ["CallOnce"]

T = TypeVar("T")


@dataclass
class CallOnce(beam.PTransform[PBegin, PCollection[T]], Generic[T]):
    """Call a function -> what it returned, one element.

    It is called once, and again where an engine retries it: what it does must be idempotent. What
    it returned is kept, so that a failure behind it does not call it again.

    Args:
        function: takes nothing; it and what it returns can be pickled.
    """

    function: Callable[[], T]

    def expand(self, pbegin: PBegin) -> PCollection[T]:
        """Call it behind a single element."""
        return (
            pbegin
            | "Once" >> beam.Create([self.function], reshuffle=False)
            | "Call" >> beam.Map(_called)
            | "Keep" >> beam.Reshuffle()
        )


def _called(function: Callable[[], T]) -> T:
    return function()
