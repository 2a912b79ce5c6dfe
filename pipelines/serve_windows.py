"""From panes to the cells that serve them online: what the jobs that measure windows do alike."""

from collections.abc import Mapping

from apache_beam.pvalue import PCollection

from pipelines.window_options import WindowConfig
from schemas.rejected import Rejected
from schemas.window_parts import Pane
from transforms.encode_pane_cells import EncodePaneCells
from transforms.write_cell_lines import WriteCellLines
from transforms.write_cells import WriteCells

__all__ = ["refused_cells", "serve_windows"]


def serve_windows(panes: PCollection[Pane], config: WindowConfig) -> list[PCollection[Rejected]]:
    """Write the windows of metrics with `bigtable: true`; return what the table refused.

    Those of a recomputation are authoritative for its span. Without a table nothing is added to the
    job.
    """
    if not (config.bigtable_table or config.cells_output):
        return []
    repairs = config.coverage if config.generation else None
    changes = panes | "EncodePaneCells" >> EncodePaneCells(config.metrics, repairs)
    if config.cells_output:
        _ = changes | "WriteCellLines" >> WriteCellLines(config.cells_output)
        return []
    written = changes | "WriteCells" >> WriteCells(
        config.bigtable_table,
        app_profile=config.app_profile,
        flow_control=config.flow_control,
    )
    return [written.rejected]


def refused_cells(counters: Mapping[str, int]) -> str | None:
    """Return what a recomputation says of rows of Bigtable that were refused; None: none was."""
    refused = counters.get("refused", 0)
    if not refused:
        return None
    return (
        f"{refused} changes of Bigtable rows were refused, so these are as they were; the changes "
        "are in the quarantine with the reason: mend it, and compute the windows again"
    )
