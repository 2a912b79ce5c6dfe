"""Panes -> the changes of Bigtable rows that serve them online."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.cells import RowChange
from schemas.coverage import Coverage
from schemas.metric import Metric
from schemas.pane_cells import PaneCells
from schemas.window_parts import Pane, WindowPart
from transforms.counters import counter

__all__ = ["EncodePaneCells"]


@dataclass
class EncodePaneCells(beam.PTransform[PCollection[Pane], PCollection[RowChange]]):
    """PCollection[Pane] -> PCollection[RowChange]: of the metrics with `bigtable: true`.

    Each pane is one change of its key's row, whole: a cell for the number of events and for each
    measure that has a value, versioned by the number of events. The changes of a window may be
    written in any order and any number of times: the fullest pane stays. A pane without events has
    none. Elements keep their window and timestamp.

    With `repairs`, all panes of a row are brought together, and what is written of the whole
    windows in that span is authoritative: what stood there goes, then they are set. Bounded input,
    one pane for each window and key; global window.

    Counters: `versions_capped`, panes with more events than their window has versions, which are
    milliseconds: of two such panes the last one written stays. `sums_saturated`, sums beyond 64
    bits.

    Args:
        metrics: as given to `FoldWindows`.
        repairs: None of panes that come as they will; else the closed span that was recomputed.
    """

    metrics: list[Metric]
    repairs: Coverage | None = None

    def __post_init__(self) -> None:
        """Check the constants; nothing is opened."""
        if self.repairs is not None and not self.repairs.is_closed:
            msg = f"repairs={self.repairs}: give both its ends"
            raise ValueError(msg)

    def expand(self, panes: PCollection[Pane]) -> PCollection[RowChange]:
        """Encode pane by pane, or row by row."""
        served = [metric for metric in self.metrics if metric.bigtable]
        if self.repairs is None:
            return panes | "EncodeCells" >> beam.ParDo(_Encode(served)).with_output_types(RowChange)
        keying = beam.FlatMap(_keyed, {metric.slot for metric in served})
        repairing = beam.ParDo(_Repair(served, self.repairs))
        return (
            panes
            | "KeyByRow" >> keying.with_output_types(tuple[tuple[int, bytes], Pane])
            | "GroupByRow" >> beam.GroupByKey()
            | "RepairRows" >> repairing.with_output_types(RowChange)
        )


class _Cells:
    """The forms of the metrics, made where they are used, and what is counted of their panes."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.of = {metric.slot: PaneCells(metric) for metric in metrics}
        self._capped, self._saturated = counter("versions_capped"), counter("sums_saturated")

    def count(self, form: PaneCells, part: WindowPart) -> None:
        if form.is_capped(part):
            self._capped.inc()
        if saturated := form.saturated(part):
            self._saturated.inc(saturated)


class _Encode(beam.DoFn):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def setup(self) -> None:
        self._cells = _Cells(self._metrics)

    def process(self, pane: Pane) -> Iterator[RowChange]:
        form = self._cells.of.get(pane.part.metric)
        if form is not None and pane.part.events:
            self._cells.count(form, pane.part)
            yield form.pane(pane.part)


class _Repair(beam.DoFn):
    def __init__(self, metrics: list[Metric], span: Coverage) -> None:
        self._metrics, self._span = metrics, span

    def setup(self) -> None:
        self._cells = _Cells(self._metrics)

    def process(self, row: tuple[tuple[int, bytes], Iterable[Pane]]) -> Iterator[RowChange]:
        (slot, key), panes = row
        form = self._cells.of[slot]
        parts = [pane.part for pane in panes if pane.part.events]
        for part in parts:
            self._cells.count(form, part)
        yield from form.repair(key, parts, self._span)


def _keyed(pane: Pane, slots: set[int]) -> Iterator[tuple[tuple[int, bytes], Pane]]:
    if pane.part.metric in slots:
        yield (pane.part.metric, pane.part.key), pane
