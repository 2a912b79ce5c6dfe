"""Dedupe and count per event type and minute without any engine: one loop, one set, one counter.

A ceiling: nothing is spread, saved, timed out or written on the way.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import msgspec

from benchmarks.contender import digest, main

__all__ = ["run"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Event(msgspec.Struct, gc=False):
    """The fields that a count needs."""

    event_id: str
    event_type: str
    event_timestamp: Annotated[datetime, msgspec.Meta(tz=True)]


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    decode = msgspec.json.Decoder(Event).decode
    seen: set[str] = set()
    counts: Counter[tuple[str, int]] = Counter()
    with Path(path).open("rb") as file:
        for line in file:
            event = decode(line)
            if event.event_id not in seen:
                seen.add(event.event_id)
                passed = event.event_timestamp - _EPOCH
                counts[event.event_type, passed.days * 1_440 + passed.seconds // 60] += 1
    return lambda: digest((*key, count) for key, count in counts.items())


if __name__ == "__main__":
    main(run)
