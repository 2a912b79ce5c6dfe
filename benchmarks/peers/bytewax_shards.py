"""The same with the suite's idea in bytewax: ids in sets, under the 16 first letters of them.

What the tool's guide does not teach: where recovery is on, a set is written whole by each
snapshot.
"""

from collections.abc import Callable

import bytewax.operators as op
from bytewax.operators import Stream

from benchmarks.contender import main
from benchmarks.peers.bytewax_count import counted
from benchmarks.peers.bytewax_flow import Event, tools

__all__ = ["run"]


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    return counted(path, _unique)


def _unique(stream: Stream[Event]) -> Stream[Event]:
    keyed = op.key_on("by_letter", stream, lambda event: event.event_id[0])
    return op.key_rm("drop_letter", op.stateful_flat_map("dedupe", keyed, _first))


def _first(seen: set[str] | None, event: Event) -> tuple[set[str], list[Event]]:
    known = set() if seen is None else seen
    if event.event_id in known:
        return known, []
    known.add(event.event_id)
    return known, [event]


if __name__ == "__main__":
    main(run, tools)
