"""Dedupe and count per event type and minute, in batch: the minute is folded into the row."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from benchmarks.contender import digest, main
from benchmarks.light_packs import Envelope, PackLines
from schemas.packs import EventPack
from transforms.deduplicate import DeduplicatePacks
from transforms.read_lines import ReadLines

__all__ = ["CountRows", "digest_of_counts", "kind_and_minute", "line_of_count", "run"]

_SHARDS = 8
_HORIZON = 86_400


class CountRows(beam.DoFn):
    """Counts equal payloads over a bundle: the shuffle then sees a key once a bundle."""

    def start_bundle(self) -> None:
        """Begin with nothing."""
        self._counts: Counter[bytes] = Counter()

    def process(self, pack: EventPack) -> None:
        """Count a pack."""
        self._counts.update(pack.raw.payloads)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give out the counts."""
        for key, count in self._counts.items():
            yield WindowedValue((key, count), MIN_TIMESTAMP, (GlobalWindow(),))


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        packs = (
            pipeline
            | "ReadLines" >> ReadLines(path)
            | "PackLines"
            >> beam.ParDo(PackLines(kind_and_minute)).with_output_types(tuple[int, EventPack])
        )
        split = packs | "Deduplicate" >> DeduplicatePacks(_HORIZON, _SHARDS, mode="batch")
        counts = (
            split.unique
            | "CountRows" >> beam.ParDo(CountRows()).with_output_types(tuple[bytes, int])
            | "AddUp" >> beam.CombinePerKey(sum)
        )
        lines = counts | "ToJson" >> beam.Map(line_of_count)
        _ = lines | "Write" >> beam.io.WriteToText(str(folder / "n"))
    return lambda: digest_of_counts(folder)


def kind_and_minute(event: Envelope, seconds: int) -> bytes:
    """Return what is counted of an event, as a payload."""
    return b"%b|%d" % (event.event_type.encode(), seconds // 60)


def line_of_count(counted: tuple[bytes, int]) -> str:
    """Return a count as a line of JSON."""
    kind, _, minute = counted[0].decode().rpartition("|")
    return json.dumps([kind, int(minute), counted[1]])


def digest_of_counts(folder: Path) -> str:
    """Digest the lines of counts in a folder, and remove it."""
    lines = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    shutil.rmtree(folder)
    return digest(json.loads(line) for line in lines)


if __name__ == "__main__":
    main(run)
