"""Parts and panes for tests: what bundles of events add, and which pane of a window holds."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from schemas.metric_set import Metric, parse_metric
from schemas.window_parts import Pane, PartPack
from tests.metric_builders import CONTRACTS, DECODER, METRICS, Seen, Told, told
from transforms.metric_program import MetricProgram
from transforms.pack_parts import packed_by_shard

SHARDS = 3

EAGER = parse_metric(
    """
name: eager
doc: How many there are, told before the end.
windows: [1m, 5m]
where: {event_type: [page_view, click]}
dimensions: [user_id]
measures:
  - {name: pages, measure: approx_distinct, field: event_details.page}
allowed_lateness: 10m
triggers: {speculative_every: 10s, on_time: true, on_late: each}
""",
    "eager.yaml",
    CONTRACTS,
)


def parts_of(
    seen: Iterable[Seen], metrics: Sequence[Metric] = METRICS, shards: int = SHARDS
) -> list[tuple[int, PartPack]]:
    """What one bundle of these events adds, by shard."""
    program = MetricProgram(CONTRACTS, metrics)
    for one in seen:
        record: Any = DECODER.reread(json.dumps(one.line()).encode(), {})
        program.add(record, one.time, one.published)
    return list(packed_by_shard(program.take(), shards))


def bundles_of(
    seen: Sequence[Seen], size: int, metrics: Sequence[Metric] = METRICS, shards: int = SHARDS
) -> list[list[tuple[int, PartPack]]]:
    """What bundles of so many events add."""
    return [
        parts_of(seen[first : first + size], metrics, shards) for first in range(0, len(seen), size)
    ]


def place_of(pane: Pane) -> tuple[int, int, int, bytes]:
    part = pane.part
    return part.metric, part.length, part.start, part.key


def held(panes: Iterable[Pane], metrics: Sequence[Metric] = METRICS) -> Told:
    """What holds in the end: of each window and key the pane with the most events."""
    last: dict[tuple[int, int, int, bytes], Pane] = {}
    for pane in panes:
        known = last.get(place_of(pane))
        if known is None or (known.part.events, known.index) < (pane.part.events, pane.index):
            last[place_of(pane)] = pane
    return told((pane.part for pane in last.values()), metrics)
