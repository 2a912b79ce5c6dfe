"""What windows must hold, worked out plainly and without Beam."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.contender import digest
from local.plain_values import time_of

__all__ = ["activity_by_window"]

_MINUTE = 60_000_000
_MINUTES = (1, 5)


def activity_by_window(path: Path) -> str:
    """Digest of (minutes, minute, event type, country, events, users, sessions), each id once."""
    events: dict[tuple[Any, ...], list[tuple[str, str | None]]] = defaultdict(list)
    for event in _first_of_each(path):
        minute = time_of(event["event_timestamp"]) // _MINUTE
        key = event["event_type"], event["event_details"].get("country")
        for minutes in _MINUTES:
            place = (minutes, minute // minutes * minutes, *key)
            events[place].append((event["user_id"], event.get("session_id")))
    return digest([*place, len(visits), *_distinct(visits)] for place, visits in events.items())


def _distinct(visits: list[tuple[str, str | None]]) -> list[int]:
    users, sessions = zip(*visits, strict=True)
    return [len(set(users)), len(set(sessions) - {None})]


def _first_of_each(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        events = (json.loads(line) for line in file)
        yield from {event["event_id"]: event for event in events}.values()
