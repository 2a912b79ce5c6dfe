"""Bytes that the raw archive takes for an event, entries of the manifest included."""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bench_archive import archive_lines
from benchmarks.inputs import ARCHIVE, Archived, Input, prepared

__all__ = ["measure", "told"]

_TARGET = 67
_EVENTS = 1_000_000


def measure(events: int = _EVENTS) -> dict[str, Any]:
    """Return the document of the benchmark: of events from a file, and as Pub/Sub brings them."""
    with tempfile.TemporaryDirectory() as folder:
        archive_lines(str(prepared(Input(events))), folder)
        lines = _bytes_in(Path(folder))
    messages = _bytes_in(prepared(Archived(events)).with_name(ARCHIVE))
    figures = [
        {"what": "lines of a file", "value": round(lines / events, 2), "target": _TARGET},
        {"what": "messages of Pub/Sub", "value": round(messages / events, 2), "target": _TARGET},
    ]
    title = "raw archive: bytes an event, zstd"
    return {"name": "archive_size", "title": title, "events": events, "figures": figures}


def told(document: dict[str, Any]) -> str:
    """Return the figures as a sentence."""
    lines, messages = document["figures"]
    return (
        f"Raw archive, zstd, manifest included: {lines['value']:.1f} bytes an event from files "
        f"(target {lines['target']}), {messages['value']:.1f} with the ids and publish times of "
        f"Pub/Sub (target {messages['target']})."
    )


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
