"""Stateful dedupe and event-time windows of a minute, counted by type, in bytewax.

One worker: two of them take longer, as threads for the interpreter's lock, as processes for what
travels between them. State of an id is kept for ever, which is less work than to forget it, so
windows need not wait for a horizon of dedupe: an hour is far more than events are out of order, and
with fewer open windows there is less to do than with a day.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main

from benchmarks.contender import digest, main
from benchmarks.peers.bytewax_flow import events, tools, unique

__all__ = ["run"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MINUTE = timedelta(minutes=1)
_OUT_OF_ORDER = timedelta(hours=1)


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    counted: list[tuple[str, tuple[int, int]]] = []
    flow = Dataflow("windows")
    clock = win.EventClock(lambda event: event.event_timestamp, _OUT_OF_ORDER)
    windows = win.TumblingWindower(length=_MINUTE, align_to=_EPOCH)
    told = win.count_window(
        "count", unique(events(flow, path)), clock, windows, lambda event: event.event_type
    )
    op.output("write", told.down, TestingSink(counted))
    run_main(flow)
    # Windows are numbered from the one that they are aligned to.
    return lambda: digest((kind, minute, count) for kind, (minute, count) in counted)


if __name__ == "__main__":
    main(run, tools)
