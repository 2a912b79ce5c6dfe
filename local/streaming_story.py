"""The bounded stream that streaming semantics are shown with, and what must come of it.

First events, some of them twice. Then nothing, until event time has passed the end of their window:
only timers can tell. Then copies of them that the short horizon has forgotten, others that are late
for tiles but not for windows, and new ones. What has to leave each step is told without the steps.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from local.publish import Outgoing
from schemas.content import id_digest

__all__ = [
    "FEATURES",
    "HORIZON",
    "LENIENT_HORIZON",
    "METRICS",
    "SEMANTICS",
    "TIME",
    "Notes",
    "Sent",
    "Story",
    "findings",
    "read_notes",
    "write_declarations",
]

FEATURES, METRICS = "features", "metrics"
HORIZON = 5.0
"""Seconds, of dedupe and tiles; shorter than what passes between the two halves of the story."""
LENIENT_HORIZON = 900.0
"""Seconds, of dedupe before windows: longer than their lateness and length."""
TIME = "at"
"""The attribute that has a message's event time, which the watermark goes by."""
SEMANTICS = ("state", "timers", "late data")

_MINUTE = 60_000_000
_HOUR_MS = 3_600_000
_USERS = 5
_FIRST, _COPIED_EACH, _LATE, _FORGOTTEN, _FRESH, _FRESH_COPIES = 60, 3, 10, 10, 20, 5
_STEP = 200_000
_DECLARED = {
    f"{FEATURES}/user.yaml": "entity: user\nkey: user_id\nretention: 30d\ntile: 1h\n"
    "features:\n  - {name: events, aggregate: count}\n",
    f"{METRICS}/minutes.yaml": "name: minutes\ndoc: Events of each minute.\nwindows: [1m]\n"
    "allowed_lateness: 10m\ndimensions: [event_type]\n"
    "measures:\n  - {name: events, measure: count}\n"
    "triggers: {on_time: true, on_late: each}\n",
}

Notes = Mapping[str, frozenset[str]]
"""What left each step: its lines by the name of the step."""


class Sent(NamedTuple):
    """One event as it is published; a copy is the same again."""

    event_id: str
    user: str
    time: int

    def message(self) -> Outgoing:
        """Return the message: its attribute tells the event time in RFC 3339."""
        told = datetime.fromtimestamp(self.time / 1e6, timezone.utc).isoformat()
        body = {
            "event_id": self.event_id,
            "event_type": "click",
            "user_id": self.user,
            "session_id": f"s-{self.user}",
            "event_timestamp": told,
            "event_details": {"page": "/", "element": "menu", "platform": "web"},
        }
        return Outgoing(json.dumps(body).encode(), {TIME: told})


@dataclass
class Story:
    """Both halves; the second is made when the first has been told of.

    Args:
        base: of the first events: the start of a minute, in microseconds.
    """

    base: int
    fresh: list[Sent] = field(default_factory=list)

    @property
    def first(self) -> list[Sent]:
        """The first half: events of twelve seconds, a third of them twice."""
        events = self._first()
        return [*events, *events[::_COPIED_EACH]]

    def second(self, now: int) -> list[Sent]:
        """Return the second half; its new events begin at a time, in microseconds."""
        new = [_sent("fresh", n, now + n * _STEP // 2) for n in range(_FRESH)]
        self.fresh = new
        return [*self._first()[:_FORGOTTEN], *self._late(), *new, *new[:_FRESH_COPIES]]

    def is_told(self, notes: Notes) -> bool:
        """Say whether the pane of the first minute was told on time, with all of its events."""
        return f"{self.base} {_FIRST} on_time" in notes["panes"]

    def once(self) -> set[str]:
        """Return the ids that dedupe with the long horizon lets pass."""
        return {each.event_id for each in (*self._first(), *self._late(), *self.fresh)}

    def copied(self) -> set[str]:
        """Return the ids of which there are copies within it."""
        copied = (*self._first()[::_COPIED_EACH], *self._first()[:_FORGOTTEN])
        return {each.event_id for each in (*copied, *self.fresh[:_FRESH_COPIES])}

    def late(self) -> set[str]:
        """Return the ids that are late for tiles: new ones, and copies that were forgotten."""
        return {each.event_id for each in (*self._late(), *self._first()[:_FORGOTTEN])}

    def tiles(self) -> Counter[tuple[str, int]]:
        """Return how many events each user's tile counts, by its hour: nothing that is late."""
        on_time = (*self._first(), *self.fresh)
        return Counter((each.user, each.time // 1_000 // _HOUR_MS) for each in on_time)

    def windows(self) -> Counter[int]:
        """Return how many events each minute counts: what is late too."""
        every = (*self._first(), *self._late(), *self.fresh)
        return Counter(each.time // _MINUTE * _MINUTE for each in every)

    def _first(self) -> list[Sent]:
        return [_sent("first", n, self.base + n * _STEP) for n in range(_FIRST)]

    def _late(self) -> list[Sent]:
        return [_sent("late", n, self.base + n * _STEP) for n in range(_LATE)]


def findings(story: Story, notes: Notes) -> dict[str, list[str]]:
    """Return what is wrong, in numbers, by the semantics that it belongs to."""
    late = {json.loads(line)["event_id"] for line in notes["late"]}
    copied = _digests(story.copied())
    forgotten = {event_id for event_id in story.late() if event_id.startswith("first")}
    tiles = _greatest(
        ((row.rpartition("#")[2], int(start)), int(count))
        for row, _, start, count in _parts(notes["tiles"], 4)
    )
    panes = [(int(start), int(count), timing) for start, count, timing in _parts(notes["panes"], 3)]
    windows = _greatest((start, count) for start, count, _ in panes)
    told = story.is_told(notes)
    corrected = any(start == story.base and timing == "late" for start, _, timing in panes)
    return {
        "state": [
            *_unlike("ids passed", notes["once"], _digests(story.once())),
            *_unlike("copies found", notes["copies"] & copied, copied),
        ],
        "timers": [
            *([] if told else ["the first minute was not told on time"]),
            *_unlike("forgotten copies", late & forgotten, forgotten),
        ],
        "late data": [
            *_unlike("late events", late, story.late()),
            *_unlike("tiles", tiles.items(), story.tiles().items()),
            *_unlike("windows", windows.items(), story.windows().items()),
            *([] if corrected else ["no late pane"]),
        ],
    }


def read_notes(folder: Path) -> Notes:
    """Read what has been noted so far."""
    steps = ("unique", "late", "tiles", "once", "copies", "panes")
    return {step: frozenset(_lines(folder / step)) for step in steps}


def write_declarations(folder: Path) -> None:
    """Write the features and metrics of the job, and a key of pseudonyms."""
    for name, text in _DECLARED.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "key").write_text("5e" * 32)


def _sent(kind: str, number: int, time: int) -> Sent:
    return Sent(f"{kind}-{number}", f"u{number % _USERS}", time)


def _digests(ids: Iterable[str]) -> set[str]:
    return {id_digest(each).hex() for each in ids}


def _parts(lines: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    for line in lines:
        yield tuple(line.rsplit(" ", size - 1))


def _greatest(counted: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    """A value with a greater count has replaced those with fewer."""
    greatest: dict[Any, int] = {}
    for place, count in counted:
        greatest[place] = max(count, greatest.get(place, 0))
    return greatest


def _unlike(what: str, found: Iterable[Any], wanted: Iterable[Any]) -> Iterator[str]:
    missing, surplus = set(wanted) - set(found), set(found) - set(wanted)
    if missing or surplus:
        yield f"{what}: {len(missing)} missing, {len(surplus)} too many"


def _lines(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        for path in folder.iterdir():
            if not path.name.startswith("."):
                yield path.read_text()
