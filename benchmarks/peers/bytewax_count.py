"""Dedupe and count per event type and minute in bytewax, of an input that ends: no windows."""

from collections.abc import Callable

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import Stream
from bytewax.testing import TestingSink, run_main

from benchmarks.contender import digest, main
from benchmarks.peers.bytewax_flow import Event, events, tools, unique

__all__ = ["counted", "run"]


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    return counted(path, unique)


def counted(path: str, deduplicated: Callable[[Stream[Event]], Stream[Event]]) -> Callable[[], str]:
    """Count what is left of the events of a file."""
    found: list[tuple[str, int]] = []
    flow = Dataflow("count")
    op.output(
        "write",
        op.count_final("count", deduplicated(events(flow, path)), _type_and_minute),
        TestingSink(found),
    )
    run_main(flow)
    return lambda: digest(_row(key, count) for key, count in found)


def _type_and_minute(event: Event) -> str:
    return f"{event.event_type} {int(event.event_timestamp.timestamp()) // 60}"


def _row(key: str, count: int) -> tuple[str, int, int]:
    kind, minute = key.rsplit(" ", 1)
    return kind, int(minute), count


if __name__ == "__main__":
    main(run, tools)
