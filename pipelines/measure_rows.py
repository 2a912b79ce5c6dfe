"""From curated rows to panes: what a recomputation does where it does not read the archive."""

import apache_beam as beam

from pipelines.measure_windows import MeasuredWindows
from pipelines.options import UsageError
from pipelines.window_options import WindowConfig
from schemas.contract import load_contracts
from schemas.late import LateEvent
from schemas.times import SECOND
from transforms.encode_panes import EncodePanes
from transforms.extract_row_parts import ExtractRowParts, row_paths
from transforms.fold_windows import FoldWindows
from transforms.read_curated import ReadCurated

__all__ = ["measure_rows"]


def measure_rows(pipeline: beam.Pipeline, config: WindowConfig) -> MeasuredWindows:
    """Read, choose the current row of each event, measure, fold; nothing is late or refused.

    Raises:
        UsageError: there are no such rows.
    """
    assert config.curated is not None
    contracts = load_contracts(config.contracts)
    reading = ReadCurated(
        config.curated.source, contracts, row_paths(config.metrics), config.coverage, config.shards
    )
    try:
        records = pipeline | "ReadCurated" >> reading
    except OSError as error:
        msg = f"--input_rows={error}; name the folder that --rows_output of the curation wrote"
        raise UsageError(msg) from None
    parts = records | "Extract" >> ExtractRowParts(contracts, config.metrics, config.shards)
    panes = parts | "FoldWindows" >> FoldWindows(
        config.metrics, config.horizon / SECOND, *config.coverage, config.generation
    )
    rows = panes | "EncodePanes" >> EncodePanes(config.metrics)
    none = beam.Create([], reshuffle=False).with_output_types(LateEvent)
    return MeasuredWindows(rows, pipeline | "NoneLate" >> none, [], panes)
