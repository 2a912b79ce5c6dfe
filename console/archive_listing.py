"""What `penstock archive ls` does: sums by source and hour, from the names of the files alone."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from console.archive_range import ArchiveRange, shown_time
from schemas.archive_layout import HOUR
from schemas.manifest import ManifestEntry
from schemas.times import DAY
from transforms.archive_manifest import ArchivedHour

__all__ = ["By", "Sums", "list_archive"]

By = Literal["hour", "day", "source"]

_UNKNOWN = "unknown"
_COUNTS = ("objects", "events", "bytes")
_TIMES = ("first_publish", "last_publish", "first_event", "last_event")
_REST = ("orphans", "replaced", "missing")
_HEAD = ("source", "hour", *_COUNTS, *_TIMES, *_REST)
_LEFT = {"source", "hour", *_TIMES}
_ALL = "all"


@dataclass
class Sums:
    """What some hours hold; times in microseconds, None where they are not known of all objects.

    Messages of objects that overlap count in each of them. `missing` ones are among the objects.
    """

    objects: int = 0
    events: int = 0
    bytes: int = 0
    first_publish: int | None = None
    last_publish: int | None = None
    first_event: int | None = None
    last_event: int | None = None
    orphans: int = 0
    replaced: int = 0
    missing: int = 0

    def add_hour(self, hour: ArchivedHour, chosen: ArchiveRange) -> None:
        """Add what an hour holds of a range; an orphan, of which no times are known, counts."""
        entries = chosen.meant(hour.entries)
        for entry in entries:
            self._add(entry)
        self.orphans += len(hour.orphans)
        self.replaced += len(chosen.meant(hour.replaced))
        self.missing += len(chosen.meant(hour.missing))

    def _add(self, entry: ManifestEntry) -> None:
        is_first = not self.objects
        self.objects += 1
        self.events += entry.events
        self.bytes += entry.size
        for name in _TIMES:
            mine, its = getattr(self, name), getattr(entry, name)
            least = min if name.startswith("first") else max
            if is_first or mine is None or its is None:
                setattr(self, name, its if is_first else None)
            else:
                setattr(self, name, least(mine, its))

    def told(self) -> dict[str, object]:
        """Return it for JSON, times as text."""
        times = {name: _time(getattr(self, name)) for name in _TIMES}
        plain = {name: getattr(self, name) for name in (*_COUNTS, *_REST)}
        return {name: times[name] if name in times else plain[name] for name in _HEAD[2:]}


@dataclass
class _Listing:
    """Sums of one source, by the start of the hour or day."""

    source: str
    complete_to: int | None
    rows: dict[int, Sums] = field(default_factory=dict)
    total: Sums = field(default_factory=Sums)


def list_archive(
    chosen: ArchiveRange, by: By, as_json: bool, complain: Callable[[str], None]
) -> Iterator[str]:
    """Yield the lines that tell what a range of an archive holds; nothing is opened.

    Args:
        chosen: what is asked for.
        by: what a row is about.
        as_json: one JSON document in place of the table.
        complain: takes the line about a damaged record or marker.
    """
    total = Sums()
    listings = [_listing(chosen, source, by, total, complain) for source in chosen.sources]
    if as_json:
        yield json.dumps(_document(chosen, listings, total, by), indent=2)
        return
    yield from _table([row for each in listings for row in _rows(each, by)], total, by)
    for each in listings:
        known = each.complete_to is not None
        there = f"complete to {_time(each.complete_to)}" if known else "completeness not known"
        yield f"{_printable(each.source)}: {there}"


def _listing(
    chosen: ArchiveRange, source: str, by: By, total: Sums, complain: Callable[[str], None]
) -> _Listing:
    listing = _Listing(source, chosen.marker(source, complain))
    length = DAY if by == "day" else HOUR
    for hour in chosen.hours(source, complain):
        start = hour.start - hour.start % length
        row = listing.rows.get(start, Sums())
        for sums in (row, listing.total, total):
            sums.add_hour(hour, chosen)
        # The range may touch the hour and none of its objects.
        if row != Sums():
            listing.rows[start] = row
    return listing


def _document(
    chosen: ArchiveRange, listings: Sequence[_Listing], total: Sums, by: By
) -> dict[str, object]:
    sources = []
    for each in listings:
        rows = [{by: _time(start), **sums.told()} for start, sums in each.rows.items()]
        told = {"source": each.source, "complete_to": _time(each.complete_to)}
        detail = {} if by == "source" else {"rows": rows}
        sources.append({**told, **detail, "total": each.total.told()})
    return {"archive": chosen.root, "sources": sources, "total": total.told()}


def _rows(listing: _Listing, by: By) -> Iterator[list[str]]:
    source = _printable(listing.source)
    if by == "source":
        yield [source, "", *_cells(listing.total)]
        return
    for start, sums in listing.rows.items():
        text = shown_time(start)
        yield [source, text[: len("2026-01-31")] if by == "day" else text, *_cells(sums)]


def _cells(sums: Sums) -> list[str]:
    return [_UNKNOWN if value is None else str(value) for value in sums.told().values()]


def _table(rows: list[list[str]], total: Sums, by: By) -> Iterator[str]:
    """Yield aligned lines, numbers to the right."""
    head = [by if name == "hour" else name for name in _HEAD]
    lines = [head, *rows, [_ALL, "", *_cells(total)]]
    if by == "source":
        lines = [[line[0], *line[2:]] for line in lines]
    names = [name for name in _HEAD if by != "source" or name != "hour"]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.ljust(width) if name in _LEFT else cell.rjust(width)
            for name, cell, width in zip(names, line, widths, strict=True)
        ]
        yield "  ".join(cells)


def _printable(source: str) -> str:
    return source if source.isprintable() and " " not in source else json.dumps(source)


def _time(moment: int | None) -> str | None:
    return None if moment is None else shown_time(moment)
