"""Stateful dedupe with a horizon, then counts per event type and minute, as in a stream.

Counts are told hour by hour, when the watermark has passed the hour: windows are Beam's, with the
minutes inside, because the local engines take milliseconds for each window under each key. The
peers have windows of a minute and tell them when their watermark has passed them, which is a day
later: with them the horizon of dedupe is the delay of the watermark.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import FixedWindows, GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from benchmarks.bench_distinct_count import added, digest_of_counts, kinds, lines_of_counts
from benchmarks.contender import main
from benchmarks.light_packs import PackLines
from schemas.packs import EventPack
from transforms.deduplicate import DeduplicatePacks
from transforms.read_lines import ReadLines

__all__ = ["count", "run"]

_SHARDS = 4
_HORIZON = 86_400
_MINUTE = 60_000_000
_HOUR = 60
_SECONDS = 3_600


class CountByHour(beam.DoFn):
    """`EventPack` whose payloads are types -> (type, counts by minute), stamped with their hour.

    What a bundle adds to an hour is added up before it leaves.
    """

    def start_bundle(self) -> None:
        """Begin with nothing."""
        self._counts: Counter[tuple[bytes, int]] = Counter()

    def process(self, pack: EventPack) -> None:
        """Count a pack."""
        minutes = [time // _MINUTE for time in pack.event_times]
        self._counts.update(zip(pack.raw.payloads, minutes, strict=True))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give out the counts of each type by hour."""
        found: defaultdict[tuple[bytes, int], dict[int, int]] = defaultdict(dict)
        for (kind, minute), events in self._counts.items():
            found[kind, minute // _HOUR][minute] = events
        for (kind, hour), counts in found.items():
            begin = Timestamp(hour * _SECONDS)
            yield WindowedValue((kind, counts), begin, (GlobalWindow(),))


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    return count(path, beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])))


def count(path: str, pipeline: beam.Pipeline) -> Callable[[], str]:
    """Count on the engine of a pipeline."""
    folder = Path(tempfile.mkdtemp())
    with pipeline:
        packs = (
            pipeline
            | "ReadLines" >> ReadLines(path)
            | "PackLines" >> beam.ParDo(PackLines(kinds)).with_output_types(tuple[int, EventPack])
        )
        split = packs | "Deduplicate" >> DeduplicatePacks(_HORIZON, _SHARDS, mode="stream")
        counting = beam.ParDo(CountByHour()).with_output_types(tuple[bytes, dict[int, int]])
        counts = (
            split.unique
            | "CountByHour" >> counting
            | "WindowByHour" >> beam.WindowInto(FixedWindows(_SECONDS))
            | "AddUp" >> beam.CombinePerKey(added)
        )
        lines = counts | "ToJson" >> beam.Map(lines_of_counts)
        _ = lines | "Write" >> beam.io.WriteToText(str(folder / "n"))
    return lambda: digest_of_counts(folder)


if __name__ == "__main__":
    main(run)
