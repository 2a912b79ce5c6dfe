"""Bytes of saved state per id that dedupe holds, all overhead included, in a steady stream."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from transforms.seen_ids import Anchor, Retention, SeenIds

__all__ = ["measure", "told"]

_HORIZON = 86_400_000_000
_START = 1_740_960_000_000_000
_TARGET = 28
_ENTRY_OVERHEAD = 3
_HEADER = 100
_PACKS = ((300, 10), (40, 50), (7, 200), (1, 800))
"""(rows in a pack, packs in a tick of a 32nd of the horizon)"""


def measure() -> dict[str, Any]:
    """Return the document of the benchmark: the greatest bytes per id over two horizons."""
    figures = [_figure(rows, packs) for rows, packs in _PACKS]
    title = "dedupe: bytes of state per id, greatest over a horizon of a steady stream"
    return {"name": "state_per_id", "title": title, "figures": figures}


def told(document: dict[str, Any]) -> str:
    """Return the figures as a sentence."""
    figures = [figure["bytes_per_id"] for figure in document["figures"]]
    target = document["figures"][0]["target"]
    return (
        f"State of dedupe, all overhead included: {min(figures):.1f} to {max(figures):.1f} bytes "
        f"an id (target {target})."
    )


def _figure(rows: int, packs: int) -> dict[str, Any]:
    retention = Retention.of(_HORIZON, max_future=0)
    ticks = _HORIZON // retention.tick
    sizes = list(_steady(retention, rows, packs, 2 * ticks))
    settled = sizes[len(sizes) // 2 :]
    worst = max(size / ids for ids, size in settled)
    return {
        "what": f"packs of {rows}",
        "ids": max(ids for ids, _ in settled),
        "bytes_per_id": round(worst, 2),
        "target": _TARGET,
    }


def _steady(retention: Retention, rows: int, packs: int, ticks: int) -> Iterator[tuple[int, int]]:
    """Yield (ids held, bytes of log and header) after each pack."""
    seen, log = SeenIds(retention), list[bytes]()
    for pack in range(packs * ticks):
        now = _START + pack * retention.tick // packs
        lower = now // retention.tick * retention.tick
        seen.drop(lower)
        ids = [blake2b(b"%d %d" % (pack, row), digest_size=16).digest() for row in range(rows)]
        anchor = Anchor(lower + retention.tick, dated=True)
        log.append(seen.admit(ids, ids, [now] * rows, anchor)[1])
        snapshot = seen.compact()
        log = log if snapshot is None else snapshot
        yield len(seen), sum(map(len, log)) + _ENTRY_OVERHEAD * len(log) + _HEADER
