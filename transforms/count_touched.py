"""Counts the tiles that a release would compute anew."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.archive_layout import HOUR
from schemas.candidates import Candidate
from schemas.changes import MINUTE
from transforms.counters import counter, distribution

__all__ = ["TOUCHED_HOUR", "CountTouched"]

TOUCHED_HOUR = "touched_hour"
"""A distribution: its ends are the first and the last hour of touched tiles, since the epoch."""


@dataclass
class CountTouched(beam.PTransform[PCollection[Candidate], PCollection[bytes]]):
    """PCollection[Candidate] -> the keys of the rows that they touch, each once.

    Counters: `rows_touched`, `tiles_touched`; distribution: `TOUCHED_HOUR`. Bounded; global window.
    """

    def expand(self, candidates: PCollection[Candidate]) -> PCollection[bytes]:
        """Group by row and count."""
        counted: Any = (
            candidates
            | "TakeTiles"
            >> beam.FlatMap(_tiles).with_output_types(tuple[bytes, list[tuple[int, int]]])
            | "GroupByRow" >> beam.GroupByKey()
            | "CountTiles" >> beam.ParDo(_CountTiles()).with_output_types(bytes)
        )
        return counted


class _CountTiles(beam.DoFn):
    def __init__(self) -> None:
        self._rows, self._tiles = counter("rows_touched"), counter("tiles_touched")
        self._hours = distribution(TOUCHED_HOUR)

    def process(self, group: tuple[bytes, Iterable[list[tuple[int, int]]]]) -> Iterator[bytes]:
        row_key, touches = group
        distinct = {(slot, start) for tiles in touches for slot, start in tiles}
        self._rows.inc()
        self._tiles.inc(len(distinct))
        for _, start in distinct:
            self._hours.update(start * MINUTE // HOUR)
        yield row_key


def _tiles(candidate: Candidate) -> Iterator[tuple[bytes, list[tuple[int, int]]]]:
    for touch in candidate.touches:
        yield touch.row_key, touch.tiles
