"""Reads the layers that an audit compares: archive, curated rows, quarantine, late events."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from schemas.archive_avro import BadObjectError
from schemas.content import id_digest
from schemas.identify import Identified, Identify
from schemas.packs import RawPack
from schemas.quarantine_reading import proven_records
from schemas.record_file import NOT_READ
from schemas.times import parse_rfc3339
from transforms.archive_manifest import list_hours
from transforms.archive_objects import BadArchiveError, read_packs
from transforms.object_store import ObjectStoreError, read_objects
from transforms.reconcile import NOTHING, Archived, Curated, Layers, Reconciled, Refused, reconcile

__all__ = [
    "AuditPlaces",
    "CuratedRow",
    "ReadCurated",
    "ReadLate",
    "audit_layers",
    "late_for_tiles",
    "parsed_lines",
]

_Line = TypeVar("_Line")

_LINES = ".ndjson"
_OBJECTS = ".avro"
_OF_MESSAGES = ("lost", "other_content")


class CuratedRow(msgspec.Struct):
    """What identifies a row of a curated table; as `--rows_output` writes it, but for the time."""

    event_id: str
    content_digest: str
    publish_time: str | None = None
    message_id: str | None = None


class _LateLine(msgspec.Struct):
    event_id: str
    late_for: list[str] = []


_LATE = msgspec.json.Decoder(_LateLine)

ReadCurated = Callable[[int, int], Iterable[CuratedRow]]
"""Gives the rows of all curated tables whose event times are in [first, last), or more."""

ReadLate = Callable[[int, int], Iterable[str]]
"""Gives the ids of events in `ops.late` whose times are in [first, last), or of more."""


class AuditPlaces(NamedTuple):
    """Where the layers are, and the span [start, end) of publish time in microseconds.

    `quarantine` and `late` are folders; None: there is none.
    """

    root: str
    sources: tuple[str, ...]
    start: int
    end: int
    quarantine: str | None = None
    late: str | None = None


def audit_layers(
    places: AuditPlaces, identify: Identify, read_curated: ReadCurated, read_late: ReadLate
) -> tuple[Reconciled, dict[str, list[str]]]:
    """Return where the messages of a span are, and the names of some that should not be there.

    Reads each layer once, and archive and rows again where something has to be named. Names are ids
    of messages (`lost`, `other_content`), else of events; a message without an id has none.

    Raises:
        BadArchiveError: an object of the archive is not what its entry says, or one of the
            quarantine is none.
        ObjectStoreError: a place cannot be read.
    """
    span = _Span(places, identify)
    layers = Layers(
        span.archived(),
        # Asked for after the archive has been read, when it is known what times the events have.
        _curated(lambda: read_curated(*span.event_times()), places),
        _refused(places.quarantine, identify),
        _late(places.late, lambda: read_late(*span.event_times())),
    )
    found = reconcile(layers)
    return found, _names(found, span, read_curated)


class _Span:
    def __init__(self, places: AuditPlaces, identify: Identify) -> None:
        self._places = places
        self._identify = identify
        self._bounds = places.start, places.end
        self._least, self._greatest = self._bounds

    def archived(self) -> Iterator[Archived]:
        for _, known in self._identified():
            if known.event_time is not None:
                self._least = min(self._least, known.event_time)
                self._greatest = max(self._greatest, known.event_time + 1)
            yield Archived(known.key, known.message, known.content)

    def event_times(self) -> tuple[int, int]:
        return self._least, self._greatest

    def names(self, wanted: set[bytes]) -> Iterator[tuple[bytes, str]]:
        if wanted:
            for name, known in self._identified():
                if known.message in wanted:
                    yield known.message, name or "a message without an id"

    def _identified(self) -> Iterator[tuple[str, Identified]]:
        for pack in self._packs():
            size = len(pack)
            rows = zip(
                pack.payloads,
                pack.message_ids or [""] * size,
                pack.publish_times or [None] * size,
                pack.attributes or [{}] * size,
                strict=True,
            )
            for row in rows:
                yield row[1], self._identify.of(*row)

    def _packs(self) -> Iterator[RawPack]:
        places = self._places
        for source in places.sources:
            for hour in list_hours(places.root, source, places.start, places.end):
                for entry in hour.entries:
                    if entry.first_publish < places.end and entry.last_publish >= places.start:
                        path = hour.path_of(entry)
                        yield from (pack for _, pack in read_packs(path, entry, *self._bounds))


def _curated(read: Callable[[], Iterable[CuratedRow]], places: AuditPlaces) -> Iterator[Curated]:
    for row in read():
        message = id_digest(row.message_id) if row.message_id else NOTHING
        time = None if row.publish_time is None else parse_rfc3339(row.publish_time)
        in_span = time is not None and places.start <= time < places.end
        content = bytes.fromhex(row.content_digest)
        yield Curated(id_digest(row.event_id), message, content, in_span)


def _refused(folder: str | None, identify: Identify) -> Iterator[Refused]:
    for path, content in read_objects(folder, _OBJECTS) if folder else ():
        try:
            records = proven_records(content)
        except BadObjectError as error:
            msg = f"{path}: {error}; move it away"
            raise BadArchiveError(msg, path, error.fault, str(error)) from None
        for each in records:
            known = identify.of(each.payload, each.message_id, each.publish_time, each.attributes)
            # Lines of files have no id until they are in an archive.
            is_line = not each.message_id and each.publish_time is None
            yield Refused(
                known.key, NOTHING if is_line else known.message, known.content, each.reason
            )


def _late(folder: str | None, read: Callable[[], Iterable[str]]) -> Iterator[bytes]:
    yield from map(id_digest, read())
    for line in parsed_lines(folder, _LATE.decode) if folder else ():
        yield id_digest(line.event_id)


def late_for_tiles(folder: str) -> set[str]:
    """Return the ids of the events of a late folder that came too late for their tiles."""
    return {line.event_id for line in parsed_lines(folder, _LATE.decode) if not line.late_for}


def parsed_lines(folder: str, decode: Callable[[bytes], _Line]) -> Iterator[_Line]:
    """Yield what is in the lines of NDJSON objects below a folder.

    Raises:
        ObjectStoreError: an object cannot be read, or holds another line; one line that names it.
    """
    for path, content in read_objects(folder, _LINES):
        try:
            lines = [decode(line) for line in content.splitlines()]
        except NOT_READ:
            msg = f"{path}: holds a line that no job wrote; move it away"
            raise ObjectStoreError(msg) from None
        yield from lines


def _names(found: Reconciled, span: _Span, read_curated: ReadCurated) -> dict[str, list[str]]:
    messages = {each for what in _OF_MESSAGES for each in found.samples.get(what, ())}
    known = dict(span.names(messages))
    events = {each for sample in found.samples.values() for each in sample} - messages
    if events:
        for row in read_curated(*span.event_times()):
            digest = id_digest(row.event_id)
            if digest in events:
                known[digest] = row.event_id
    return {
        what: sorted({known[each] for each in sample if each in known})
        for what, sample in found.samples.items()
    }
