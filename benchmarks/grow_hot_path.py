"""The hot path from a file to a service that counts mutations: in batch, or with state as a stream.

The job of a batch is that of `pipelines.hot_path`. For a stream the same steps are put together in
their streaming mode, which a file does not choose by itself: dedupe and rows then keep state.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.contender import main
from benchmarks.counted_state import counted_state
from benchmarks.counting_bigtable import Counted, counting_bigtable
from pipelines import hot_path
from schemas.contract import load_contracts
from schemas.feature_set import load_features
from schemas.times import DAY
from transforms.decode import DecodePacks
from transforms.deduplicate import DeduplicatePacks
from transforms.extract_changes import ExtractChanges
from transforms.fold_entities import FoldEntities
from transforms.read_lines import ReadLines
from transforms.write_cells import WriteCells

__all__ = ["run", "run_stream", "told"]

_TABLE = "projects/benchmark/instances/benchmark/tables/entities"
_KEY = "env:BENCHMARK_KEY"
_SHARDS = 4
_HORIZON = 86_400.0
_MOST_BYTES = 1_000_000
_USER, _EVENTS = b"#user#", b"events"
_TOLD: dict[str, int] = {}


def run(path: str) -> Callable[[], str]:
    """Read events and write the cells of their users and sessions, in batch."""
    quarantine = Path(tempfile.mkdtemp()) / "quarantine"
    return _counted(
        lambda: hot_path.run(
            [
                f"--input_files={path}",
                f"--bigtable_table={_TABLE}",
                f"--quarantine_output={quarantine}",
                f"--pseudonym_key={_KEY}",
                f"--shards={_SHARDS}",
            ]
        )
    )


def run_stream(path: str) -> Callable[[], str]:
    """Read events and write the cells of their users and sessions, by steps that keep state."""
    return _counted(lambda: _stream(path))


def told() -> dict[str, int]:
    """Return what the last run wrote and kept."""
    return _TOLD


def _stream(path: str) -> None:
    contracts = load_contracts()
    features = load_features(None, contracts)
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        packs = pipeline | "ReadLines" >> ReadLines(path)
        decoded = packs | "Decode" >> DecodePacks(contracts, DAY, _MOST_BYTES, None, _SHARDS)
        split = decoded.packs | "Deduplicate" >> DeduplicatePacks(_HORIZON, _SHARDS, mode="stream")
        extracted = split.unique | "Extract" >> ExtractChanges(
            contracts, features, _KEY, _HORIZON, _SHARDS
        )
        rows = extracted.changes | "FoldEntities" >> FoldEntities(features, _HORIZON, mode="stream")
        _ = rows | "WriteCells" >> WriteCells(_TABLE)


def _counted(work: Callable[[], None]) -> Callable[[], str]:
    os.environ["BENCHMARK_KEY"] = "k1:pseudonyms-of-invented-people"
    with counting_bigtable() as (address, counted), counted_state() as kept:
        os.environ["BIGTABLE_EMULATOR_HOST"] = address
        work()
    _TOLD.update(
        state_bytes=kept.most,
        requests=counted.requests,
        rows=counted.rows,
        request_bytes=counted.bytes,
    )
    return lambda: _result_of(counted)


def _result_of(counted: Counted) -> str:
    _TOLD.update(mutations=counted.mutations())
    return f"{counted.events_in_tiles(_USER, _EVENTS)} events of users"


if __name__ == "__main__":
    main(run, figures=told)
