"""Dedupe alone as a job, on any engine: which ids pass and which are copies, in both modes.

python -m local.flink_dedupe --input_files=events.ndjson --ids_output=ids --runner=...
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.options import add_options, parse_options, required
from schemas.contract import load_contracts
from schemas.packs import EventPack
from schemas.times import DAY
from transforms.decode import DecodePacks
from transforms.deduplicate import DeduplicatePacks
from transforms.read_lines import ReadLines

__all__ = ["main"]

_SHARDS = 4
_MOST_BYTES = 1_000_000
_MODES = ("batch", "stream")
_GROUPS = {
    "dedupe alone": {
        "input_files": "NDJSON files to read",
        "ids_output": "prefix of the text files that are written",
    }
}


class DedupeOptions(PipelineOptions):
    """Its command line."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


def main(argv: Sequence[str]) -> int:
    """Run the job and return its exit status."""
    options = parse_options(argv, DedupeOptions, "python -m local.flink_dedupe [options]")
    given = options.view_as(DedupeOptions)
    files = required("input_files", given.input_files, "name NDJSON files")
    output = required("ids_output", given.ids_output, "name a prefix of files")
    with beam.Pipeline(options=options) as pipeline:
        decoded = (
            pipeline
            | "ReadLines" >> ReadLines(files)
            | "Decode" >> DecodePacks(load_contracts(None), DAY, _MOST_BYTES, None, _SHARDS)
        )
        told = []
        for mode in _MODES:
            name = mode.capitalize()
            split = decoded.packs | f"Deduplicate{name}" >> DeduplicatePacks(
                DAY / 1e6, _SHARDS, mode=mode
            )
            for kind in split._fields:
                ids = beam.FlatMap(_ids, f"{mode} {kind}").with_output_types(str)
                told.append(getattr(split, kind) | f"List{name}{kind.capitalize()}" >> ids)
        lines = told | "FlattenIds" >> beam.Flatten()
        _ = lines | "WriteIds" >> beam.io.WriteToText(output, num_shards=1)
    return 0


def _ids(pack: EventPack, label: str) -> Iterator[str]:
    for event_id in pack.ids:
        yield f"{label} {event_id.hex()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
