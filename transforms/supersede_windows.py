"""Says of recomputed windows that they hold, once all their panes are written."""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, PCollection
from apache_beam.typehints.decorators import no_annotations

from schemas.coverage import Coverage
from schemas.metric import Metric
from schemas.recomputed_rows import recomputed_rows
from schemas.row_packs import RowPack
from transforms.counters import counter
from transforms.write_rows import WrittenRows

__all__ = ["SupersedeWindows"]


@dataclass
class SupersedeWindows(beam.PTransform[WrittenRows, PCollection[RowPack]]):
    """The outcome of writing panes -> PCollection[RowPack]: the rows of `ops.recomputed`.

    A row for each window of each metric that lies wholly inside the span, also where it has no
    panes: what earlier generations say of it counts for nothing then. They leave when every pane is
    written or refused, and not at all where one is refused: the views would lose its key (counters
    `windows_superseded`, `windows_kept`: what was left as it was). Bounded input, global window.

    Args:
        metrics: as given to `FoldWindows`.
        span: closed; as given to `FoldWindows`.
        generation: of the panes.
        run: names the run.
    """

    metrics: list[Metric]
    span: Coverage
    generation: int
    run: str

    def __post_init__(self) -> None:
        if not self.span.is_closed:
            msg = f"span={self.span}: give both its ends"
            raise ValueError(msg)

    @no_annotations
    def expand(self, outcome: WrittenRows) -> PCollection[RowPack]:
        """Wait for both outputs, then make the rows."""
        written = outcome.written | "CountWritten" >> beam.combiners.Count.Globally()
        refused = outcome.rejected | "CountRefused" >> beam.combiners.Count.Globally()
        windows = [(each.name, length) for each in self.metrics for length in each.windows]
        making = beam.ParDo(_MakeRows(self), AsSingleton(written), AsSingleton(refused))
        given = outcome.written.pipeline | "NameWindows" >> beam.Create(windows, reshuffle=False)
        return given | "MakeRows" >> making.with_output_types(RowPack)


class _MakeRows(beam.DoFn):
    def __init__(self, given: SupersedeWindows) -> None:
        self._given = given.span, given.generation, given.run
        self._superseded, self._kept = counter("windows_superseded"), counter("windows_kept")

    def process(self, element: tuple[str, int], _written: int, refused: int) -> Iterator[RowPack]:
        span, generation, run = self._given
        for pack in recomputed_rows(*element, span, generation, run):
            if refused:
                self._kept.inc(len(pack))
            else:
                self._superseded.inc(len(pack))
                yield pack
