"""Gathers the rows of a bundle by table into packs of lines, which become objects."""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas.row_packs import RowPack
from transforms.counters import counter
from transforms.object_names import pack
from transforms.write_objects import globally

__all__ = ["PackRows"]

_WINDOW = GlobalWindow()


@dataclass
class PackRows(beam.PTransform[PCollection[RowPack], PCollection[tuple[str, bytes]]]):
    """PCollection[RowPack] -> PCollection[(table, packed rows)], by bundle; leaves the windows.

    What `PackRecords` makes of single rows, as `WriteObjects` takes it; a row by itself costs more
    on its way there than all that is done with it. Counter: `rows`.

    Args:
        max_bytes: a pack is closed when it holds as much.
        counted: the name of the counter.
    """

    max_bytes: int = 4_000_000
    counted: str = "rows"

    def expand(self, packs: PCollection[RowPack]) -> PCollection[tuple[str, bytes]]:
        """Leave the windows and gather."""
        gathering = beam.ParDo(_GatherRows(self)).with_output_types(tuple[str, bytes])
        return globally(packs) | "GatherRows" >> gathering


class _GatherRows(beam.DoFn):
    """Collects the rows of a bundle by table."""

    def __init__(self, given: PackRows) -> None:
        self._max_bytes = given.max_bytes
        self._counted = counter(given.counted)

    def start_bundle(self) -> None:
        self._rows: dict[str, list[bytes]] = {}
        self._bytes: dict[str, int] = {}

    def process(self, given: RowPack) -> Iterator[tuple[str, bytes]]:
        table = given.table
        self._counted.inc(len(given))
        self._rows.setdefault(table, []).extend(given.rows)
        self._bytes[table] = self._bytes.get(table, 0) + sum(map(len, given.rows))
        if self._bytes[table] >= self._max_bytes:
            del self._bytes[table]
            yield table, pack(self._rows.pop(table))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        # The end of the window: to ask for the time of each pack costs, and nothing needs it.
        for table, rows in self._rows.items():
            yield WindowedValue((table, pack(rows)), _WINDOW.max_timestamp(), [_WINDOW])
