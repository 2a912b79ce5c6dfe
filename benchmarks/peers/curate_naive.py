"""Curated events as a Beam user would write them: Distinct, json.loads, WriteToText by type.

What is personal is written down by hand, and so are the maps. The rows load into the same tables;
they lack the digest of the content and the time of ingestion.
"""

import base64
import hmac
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.contender import main
from benchmarks.oracles import digest_of_rows

__all__ = ["run"]

SECRET = b"pseudonyms-of-invented-people"
TYPES = (
    "purchase", "refund", "subscription_changed", "login", "profile_updated", "signup",
    "lesson_completed", "lesson_started", "quiz_submitted", "click", "feature_used", "page_view",
    "search",
)  # fmt: skip
HIDDEN = ("email", "billing_email", "query")
DROPPED = ("card_holder", "ip_address", "birth_date")
DEFAULTS = {"lesson_started": {"resumed": False}, "signup": {"marketing_consent": False}}
MAPS = ("filters", "properties", "preferences")


def run(path: str) -> Callable[[], str]:
    """Read events, drop copies, write rows in files of their types."""
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        rows = (
            pipeline
            | beam.io.ReadFromText(path)
            | beam.Distinct()
            | "Parse" >> beam.Map(json.loads)
            | "Curate" >> beam.Map(_curated)
        )
        parts = rows | beam.Partition(_type_of, len(TYPES))
        for name, part in zip(TYPES, parts, strict=True):
            lines = part | f"Encode {name}" >> beam.Map(json.dumps)
            _ = lines | f"Write {name}" >> beam.io.WriteToText(str(folder / name))
    return lambda: digest_of_rows(_rows_in(folder))


def _type_of(row: dict, _count: int) -> int:
    return TYPES.index(row["event_type"])


def _curated(event: dict) -> dict:
    row = {name: value for name, value in event.items() if value is not None}
    defaults = DEFAULTS.get(event["event_type"], {})
    row["event_details"] = dict(_details({**defaults, **event["event_details"]}))
    return row


def _details(details: dict) -> Iterator[tuple[str, object]]:
    for name, value in details.items():
        if value is None or name in DROPPED:
            continue
        if name in HIDDEN:
            yield name, _pseudonym(value)
        elif name in MAPS:
            yield name, [{"key": key, "value": each} for key, each in value.items()]
        else:
            yield name, value


def _pseudonym(value: str) -> str:
    digest = hmac.digest(SECRET, value.encode(), "sha256")
    return "k1." + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _rows_in(folder: Path) -> Iterator[dict]:
    for path in folder.iterdir():
        with path.open("rb") as file:
            yield from map(json.loads, file)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(run)
