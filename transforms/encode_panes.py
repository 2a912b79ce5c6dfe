"""Panes -> the rows of their metrics' tables, gathered by bundle."""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas.metric import Metric
from schemas.pane_rows import PaneForm
from schemas.row_packs import RowPack
from schemas.window_parts import Pane

__all__ = ["EncodePanes"]

_WINDOW = GlobalWindow()
_ROWS_A_PACK = 500


@dataclass
class EncodePanes(beam.PTransform[PCollection[Pane], PCollection[RowPack]]):
    """PCollection[Pane] -> PCollection[RowPack]: a row of `ops.panes_<metric>` for each pane.

    Rows are gathered by bundle, at most 500 a pack. Equal panes have equal rows and insert ids, so
    a repeated bundle gives the same rows. Any windows in, global out, at the end of time.

    Args:
        metrics: as given to `FoldWindows`.
    """

    metrics: list[Metric]

    def expand(self, panes: PCollection[Pane]) -> PCollection[RowPack]:
        """Encode by bundle."""
        return panes | "EncodeRows" >> beam.ParDo(_Encode(self)).with_output_types(RowPack)


class _Encode(beam.DoFn):
    """Holds the rows of a bundle by metric."""

    def __init__(self, given: EncodePanes) -> None:
        self._forms = {metric.slot: PaneForm(metric) for metric in given.metrics}

    def start_bundle(self) -> None:
        self._packs: dict[int, RowPack] = {}

    def process(self, pane: Pane) -> Iterator[RowPack]:
        slot = pane.part.metric
        form = self._forms[slot]
        pack = self._packs.get(slot)
        if pack is None:
            pack = self._packs[slot] = RowPack(form.table, [], [])
        row, insert_id = form.row(pane)
        pack.rows.append(row)
        pack.ids.append(insert_id)
        if len(pack) >= _ROWS_A_PACK:
            yield self._packs.pop(slot)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for pack in self._packs.values():
            yield WindowedValue(pack, _WINDOW.max_timestamp(), [_WINDOW])
