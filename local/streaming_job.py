"""A small streaming job on any engine: dedupe, tiles with a horizon, windows with late panes.

Two ways from one source, as the hot path and the metrics of windows go them: dedupe with a short
horizon, features, tiles; and dedupe with one that outlasts the windows' lateness, metrics, panes.
What leaves each step is noted as a file of its own, named by what it says, so that a bundle which
is repeated notes nothing twice.

    python -m local.streaming_job --input_subscription=... --notes=FOLDER --pseudonym_key=... ...
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.pvalue import PCollection

from local.streaming_story import FEATURES, HORIZON, LENIENT_HORIZON, METRICS, TIME
from pipelines.on_prism import on_prism
from pipelines.options import add_options, parse_options, required
from schemas.cells import TILE_FAMILY, RowChange
from schemas.contract import load_contracts
from schemas.feature_set import load_features
from schemas.late import LateEvent
from schemas.metric_set import load_metrics
from schemas.packs import EventPack, RawPack
from schemas.times import DAY
from schemas.window_parts import Pane
from transforms.decode import DecodePacks
from transforms.deduplicate import DeduplicatePacks
from transforms.extract_changes import ExtractChanges
from transforms.extract_parts import ExtractParts
from transforms.fold_entities import FoldEntities
from transforms.fold_windows import FoldWindows
from transforms.object_store import create_object
from transforms.read_messages import ReadMessages

__all__ = ["build", "main"]

_SHARDS = 4
_MOST_BYTES = 1_000_000
_HOUR_MS = 3_600_000
_GROUPS = {
    "the streaming job": {
        "input_subscription": "subscription to read",
        "notes": "folder for what leaves the steps",
        "declarations": "folder of features and metrics",
        "pseudonym_key": "where the key of pseudonyms is",
    }
}


class StreamingOptions(PipelineOptions):
    """Its command line."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


def build(packs: PCollection[RawPack], notes: str, declarations: str, key: str) -> None:
    """Put both ways together, behind a source."""
    contracts = load_contracts(None)
    features = load_features(f"{declarations}/{FEATURES}", contracts)
    metrics = load_metrics(f"{declarations}/{METRICS}", contracts)
    decoded = packs | "Decode" >> DecodePacks(contracts, DAY, _MOST_BYTES, None, _SHARDS)
    # Before a shard's clock has ticked, an id is kept for as long as the future may be, too.
    strict = decoded.packs | "Deduplicate" >> DeduplicatePacks(
        HORIZON, _SHARDS, mode="stream", max_future=HORIZON
    )
    extracted = strict.unique | "Extract" >> ExtractChanges(
        contracts, features, key, HORIZON, _SHARDS
    )
    rows = extracted.changes | "FoldEntities" >> FoldEntities(features, HORIZON, mode="stream")
    lenient = decoded.packs | "DeduplicateLong" >> DeduplicatePacks(
        LENIENT_HORIZON, _SHARDS, mode="stream"
    )
    parts = lenient.unique | "ExtractParts" >> ExtractParts(contracts, metrics, key, _SHARDS)
    panes = parts.parts | "FoldWindows" >> FoldWindows(metrics, LENIENT_HORIZON, mode="stream")
    noted = (
        ("Unique", strict.unique, _ids),
        ("Late", extracted.late, _late),
        ("Tiles", rows, _tiles),
        ("Once", lenient.unique, _ids),
        ("Copies", lenient.duplicates, _ids),
        ("Panes", panes, _panes),
    )
    for name, found, told in noted:
        lines = found | f"Tell{name}" >> beam.FlatMap(told).with_output_types(str)
        _ = lines | f"Note{name}" >> beam.Map(_note, f"{notes}/{name.lower()}")


def main(argv: Sequence[str]) -> int:
    """Run the job and return its exit status."""
    options = parse_options(argv, StreamingOptions, "python -m local.streaming_job [options]")
    given = options.view_as(StreamingOptions)
    options.view_as(StandardOptions).streaming = True
    source = ReadMessages(
        required("input_subscription", given.input_subscription, "name a subscription"),
        source="portable",
        timestamp_attribute=TIME,
        packed=True,
    )
    notes = required("notes", given.notes, "name a folder")
    declarations = required("declarations", given.declarations, "name a folder")
    with on_prism(options), beam.Pipeline(options=options) as pipeline:
        packs = pipeline | "ReadMessages" >> source
        build(packs, notes, declarations, given.pseudonym_key)
    return 0


def _ids(pack: EventPack) -> Iterator[str]:
    for event_id in pack.ids:
        yield event_id.hex()


def _late(event: LateEvent) -> Iterator[str]:
    yield event.line.decode()


def _tiles(change: RowChange) -> Iterator[str]:
    for cell in change.cells:
        if cell.family == TILE_FAMILY:
            start, count = divmod(cell.timestamp // 1_000, _HOUR_MS)
            yield f"{change.row_key.decode()} {cell.qualifier} {start} {count}"


def _panes(pane: Pane) -> Iterator[str]:
    part = pane.part
    yield f"{part.start} {part.events} {pane.timing}"


def _note(line: str, folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    create_object(f"{folder}/{hashlib.sha256(line.encode()).hexdigest()[:32]}", line.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
