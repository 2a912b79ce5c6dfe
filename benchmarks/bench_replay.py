"""Replay: archive -> dedupe, count per event type and minute, in batch."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.bench_distinct_count import (
    CountByMinute,
    digest_of_counts,
    kinds,
)
from benchmarks.contender import main
from benchmarks.inputs import ARCHIVE, SOURCE
from benchmarks.light_packs import PackLines
from schemas.packs import EventPack, RawPack
from schemas.replay_plan import ReplaySpan
from schemas.times import DAY
from transforms.deduplicate import DeduplicatePacks
from transforms.read_archive import ReadArchive

__all__ = ["counted", "run"]

SHARDS = 8
_HORIZON = 86_400
_SPAN = ReplaySpan.of(0, 40_000 * DAY, max_future=DAY, max_lateness=DAY)

Packed = Callable[[PCollection[RawPack]], PCollection[tuple[int, EventPack]]]


def run(path: str) -> Callable[[], str]:
    """Count each archived event once, by type and minute."""
    return counted(path, _packed)


def counted(path: str, packed: Packed) -> Callable[[], str]:
    """Replay the archive beside a file, and count what `packed` makes of its messages.

    Args:
        path: of the file.
        packed: makes packs whose payloads are what is counted: what is not needed has not to
            travel.
    """
    folder = Path(tempfile.mkdtemp())
    archive = str(Path(path).with_name(ARCHIVE))
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        read = pipeline | "ReadArchive" >> ReadArchive(archive, SOURCE, _SPAN)
        deduplicate = DeduplicatePacks(_HORIZON, SHARDS, mode="batch")
        unique = (packed(read.packs) | "Deduplicate" >> deduplicate).unique
        lines = unique | "CountByMinute" >> CountByMinute()
        _ = lines | "Write" >> beam.io.WriteToText(str(folder / "n"))
    return lambda: digest_of_counts(folder)


def _packed(packs: PCollection[RawPack]) -> PCollection[tuple[int, EventPack]]:
    pack = beam.ParDo(PackLines(kinds)).with_output_types(tuple[int, EventPack])
    return packs | "PackLines" >> pack


if __name__ == "__main__":
    main(run)
