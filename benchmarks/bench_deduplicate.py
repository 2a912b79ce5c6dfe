"""Stateful dedupe with a horizon, as in a stream: read, dedupe by id, write the ids that passed."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.contender import digest, main
from benchmarks.light_packs import Envelope, PackLines
from schemas.packs import EventPack
from transforms.deduplicate import DeduplicatePacks
from transforms.read_lines import ReadLines

__all__ = ["run"]

_SHARDS = 4
_HORIZON = 86_400


def run(path: str) -> Callable[[], str]:
    """Dedupe with state, version fence, horizon and timers."""
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        packs = (
            pipeline
            | "ReadLines" >> ReadLines(path)
            | "PackLines" >> beam.ParDo(PackLines(_ids)).with_output_types(tuple[int, EventPack])
        )
        split = packs | "Deduplicate" >> DeduplicatePacks(_HORIZON, _SHARDS, mode="stream")
        ids = split.unique | "JoinIds" >> beam.Map(_joined)
        _ = ids | "WriteIds" >> beam.io.WriteToText(str(folder / "ids"))
    return lambda: _digest_of(folder)


def _ids(events: list[Envelope]) -> list[bytes]:
    return [event.event_id.encode() for event in events]


def _joined(pack: EventPack) -> str:
    return b"\n".join(pack.raw.payloads).decode()


def _digest_of(folder: Path) -> str:
    ids = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    shutil.rmtree(folder)
    return digest(ids)


if __name__ == "__main__":
    main(run)
