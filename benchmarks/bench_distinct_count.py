"""Dedupe and count per event type and minute, in batch: minutes are counted within the packs."""

import json
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from benchmarks.contender import digest, main
from benchmarks.light_packs import Envelope, PackLines
from schemas.packs import EventPack
from transforms.deduplicate import DeduplicatePacks
from transforms.read_lines import ReadLines

__all__ = [
    "CountByMinute",
    "added",
    "digest_of_counts",
    "kinds",
    "lines_of_counts",
    "run",
]

_SHARDS = 8
_HORIZON = 86_400
_MINUTE = 60_000_000


class _Kinds(dict[str, bytes]):
    """Types as bytes, each encoded once."""

    def __missing__(self, kind: str) -> bytes:
        self[kind] = kind.encode()
        return self[kind]


_KINDS = _Kinds()


class CountRows(beam.DoFn):
    """Counts rows by payload and minute over a bundle: the shuffle sees a payload once a bundle."""

    def start_bundle(self) -> None:
        """Begin with nothing."""
        self._counts: Counter[tuple[bytes, int]] = Counter()

    def process(self, pack: EventPack) -> None:
        """Count a pack."""
        minutes = [time // _MINUTE for time in pack.event_times]
        self._counts.update(zip(pack.raw.payloads, minutes, strict=True))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give out the counts of each payload by minute."""
        found: defaultdict[bytes, dict[int, int]] = defaultdict(dict)
        for (payload, minute), count in self._counts.items():
            found[payload][minute] = count
        for each in found.items():
            yield WindowedValue(each, MIN_TIMESTAMP, (GlobalWindow(),))


@dataclass
class CountByMinute(beam.PTransform[PCollection[EventPack], PCollection[str]]):
    """Packs whose payloads are types -> lines of JSON, those of a type in one text."""

    def expand(self, packs: PCollection[EventPack]) -> PCollection[str]:
        """Count, add up, tell."""
        counting = beam.ParDo(CountRows()).with_output_types(tuple[bytes, dict[int, int]])
        counts = packs | "CountRows" >> counting | "AddUp" >> beam.CombinePerKey(added)
        lines: Any = counts | "ToJson" >> beam.Map(lines_of_counts)
        return lines


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        packs = (
            pipeline
            | "ReadLines" >> ReadLines(path)
            | "PackLines" >> beam.ParDo(PackLines(kinds)).with_output_types(tuple[int, EventPack])
        )
        split = packs | "Deduplicate" >> DeduplicatePacks(_HORIZON, _SHARDS, mode="batch")
        lines = split.unique | "CountByMinute" >> CountByMinute()
        _ = lines | "Write" >> beam.io.WriteToText(str(folder / "n"))
    return lambda: digest_of_counts(folder)


def kinds(events: list[Envelope]) -> list[bytes]:
    """Return the types of events, as payloads."""
    return [_KINDS[event.event_type] for event in events]


def added(counts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Add up counts by minute.

    >>> added([{5: 1, 6: 1}, {6: 2}])
    {5: 1, 6: 3}
    """
    total: Counter[int] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def lines_of_counts(counted: tuple[bytes, Mapping[int, int]]) -> str:
    """Return the counts of a type as lines of JSON.

    >>> print(lines_of_counts((b"login", {5: 1, 6: 3})))
    ["login", 5, 1]
    ["login", 6, 3]
    """
    kind, counts = counted[0].decode(), counted[1]
    return "\n".join(json.dumps([kind, minute, count]) for minute, count in counts.items())


def digest_of_counts(folder: Path) -> str:
    """Digest the lines of counts in a folder, and remove it."""
    lines = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    shutil.rmtree(folder)
    return digest(json.loads(line) for line in lines)


if __name__ == "__main__":
    main(run)
