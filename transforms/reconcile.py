"""Compares the layers of a span by identity: where is each message of the archive now?"""

import collections
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

from transforms.spill_records import SpilledRecords

__all__ = ["NOTHING", "Archived", "Curated", "Layers", "Reconciled", "Refused", "reconcile"]

NOTHING = bytes(16)
"""Stands for a digest of what is not known."""

_ARCHIVED, _CURATED, _REFUSED, _LATE = range(4)
_SAMPLE = 20
_CONFLICT = "id_conflict"


class Archived(NamedTuple):
    """A message of the span: the key of its event, its own digest, and that of its content.

    The key is the digest of the event id; where that cannot be read, of the payload. The content
    is `NOTHING` where contracts refuse it.
    """

    key: bytes
    message: bytes
    content: bytes


class Curated(NamedTuple):
    """A row of a curated table; `message` is `NOTHING` where the row does not name one.

    `in_span`: whether it was published in the span, so that the archive must have its message.
    """

    key: bytes
    message: bytes
    content: bytes
    in_span: bool


class Refused(NamedTuple):
    """A record of the quarantine: key, message and content as `Archived` has them, and the reason.

    `message` is `NOTHING` where the record does not tell; then it is any of its key and content.
    """

    key: bytes
    message: bytes
    content: bytes
    reason: str


class Layers(NamedTuple):
    """All that is compared, each once through; `late` are keys of late events."""

    archived: Iterable[Archived]
    curated: Iterable[Curated]
    refused: Iterable[Refused]
    late: Iterable[bytes]


@dataclass
class Reconciled:
    """Where the distinct messages of a span are; each is counted at one place.

    messages = curated + duplicates + rejected + late + other_content + lost

    `curated` have the row of their event, `duplicates` have one that another message made, of the
    same content. `other_content` have a row of other content, and no record of the conflict. `lost`
    are nowhere. `invented` are rows of the span whose message the archive does not have; `doubled`
    rows beyond the first of an event; `differing` events of which one run kept one copy, and
    another one another. The samples hold digests: of messages (`lost_sample`), else of event ids.
    """

    messages: int = 0
    curated: int = 0
    duplicates: int = 0
    late: int = 0
    lost: int = 0
    other_content: int = 0
    invented: int = 0
    doubled: int = 0
    differing: int = 0
    rejected: collections.Counter[str] = field(default_factory=collections.Counter)
    samples: dict[str, list[bytes]] = field(default_factory=dict)

    def note(self, what: str, digest: bytes) -> None:
        """Count one of the things that should not be, and keep the first digests."""
        setattr(self, what, getattr(self, what) + 1)
        sample = self.samples.setdefault(what, [])
        if len(sample) < _SAMPLE:
            sample.append(digest)


def reconcile(layers: Layers, most_held: int = 64_000_000) -> Reconciled:
    """Return where each message is.

    Any order and repetition of messages, records and late events; rows that are there twice are
    counted. Each takes 50 bytes, beyond `most_held` bytes on the disk; in memory is a 256th of them
    at a time, at up to 500 bytes each.
    """
    found = Reconciled()
    reasons: dict[str, int] = {}
    with SpilledRecords(Struct("16s16s16sBB"), most_held) as records:
        for key, message, content in layers.archived:
            records.add(key, message, content, _ARCHIVED, 0)
        for key, message, content, in_span in layers.curated:
            records.add(key, message, content, _CURATED, in_span)
        for key, message, content, reason in layers.refused:
            number = reasons.setdefault(reason, len(reasons))
            records.add(key, message, content, _REFUSED, number)
        for key in layers.late:
            records.add(key, NOTHING, NOTHING, _LATE, 0)
        names = list(reasons)
        for part in records.parts():
            for key, event in _by_event(part):
                _settle(found, key, event, names)
    return found


class _Row(NamedTuple):
    message: bytes
    content: bytes
    in_span: bool


class _Event:
    """All that is known of one event id."""

    __slots__ = ("is_late", "messages", "refused", "rows")

    def __init__(self) -> None:
        self.messages: dict[bytes, bytes] = {}
        self.refused: dict[tuple[bytes, bytes], set[int]] = {}
        self.rows: list[_Row] = []
        self.is_late = False

    def reasons(self, message: bytes, content: bytes) -> set[int]:
        """Return what a message was refused for, by the numbers of the reasons."""
        return self.refused.get((message, NOTHING)) or self.refused.get((NOTHING, content)) or set()


def _by_event(
    part: list[tuple[bytes, bytes, bytes, int, int]],
) -> Iterator[tuple[bytes, _Event]]:
    events: dict[bytes, _Event] = {}
    for key, message, content, kind, more in part:
        event = events.get(key)
        if event is None:
            event = events[key] = _Event()
        if kind == _ARCHIVED:
            event.messages[message] = content
        elif kind == _CURATED:
            event.rows.append(_Row(message, content, bool(more)))
        elif kind == _REFUSED:
            # A message has one content, so of a message that is known it need not be compared.
            known = (message, NOTHING if message != NOTHING else content)
            event.refused.setdefault(known, set()).add(more)
        else:
            event.is_late = True
    return iter(events.items())


def _settle(found: Reconciled, key: bytes, event: _Event, reasons: list[str]) -> None:
    made = {row.message for row in event.rows}
    # A contract may have changed since a row was made: its message's content of today counts too.
    contents = {row.content for row in event.rows}
    contents.update(event.messages[each] for each in made if each in event.messages)
    # A row that names no message is of the first one that has its content.
    is_unnamed = NOTHING in made
    for message, content in event.messages.items():
        found.messages += 1
        if message in made:
            found.curated += 1
        elif content != NOTHING and content in contents:
            found.curated += is_unnamed
            found.duplicates += not is_unnamed
            is_unnamed = False
        elif why := event.reasons(message, content):
            found.rejected[min(reasons[each] for each in why)] += 1
        elif event.is_late:
            found.late += 1
        elif event.rows:
            found.note("other_content", message)
        else:
            found.note("lost", message)
    _settle_rows(found, key, event, reasons)


def _settle_rows(found: Reconciled, key: bytes, event: _Event, reasons: list[str]) -> None:
    for row in event.rows:
        known = event.messages if row.message == NOTHING else row.message in event.messages
        if row.in_span and not known:
            found.note("invented", key)
    for _ in event.rows[1:]:
        found.note("doubled", key)
    several = len({row.content for row in event.rows}) > 1
    if (several and len({row.message for row in event.rows}) > 1) or _was_refused(event, reasons):
        found.note("differing", key)


def _was_refused(event: _Event, reasons: list[str]) -> bool:
    """Whether a message whose row is there was a conflict to another run."""
    return any(
        reasons[each] == _CONFLICT
        for row in event.rows
        for each in event.reasons(row.message, row.content)
    )
