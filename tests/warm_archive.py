"""A small archive for tests: objects, the marker, and compactions, one function call each."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.archive_avro import in_order, to_avro
from schemas.archive_layout import EVENTS, HOUR, hour_folder
from schemas.completeness import Completeness, marker_name
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry, Replacement
from schemas.packs import RawPack
from transforms.object_store import create_object, delete_object, replace_object

__all__ = ["SOURCE", "WarmArchive", "message"]

SOURCE = "events"


def message(published: int, payload: bytes | None = None) -> RawEvent:
    """Return a message whose id and, if none is given, payload tell when it was published."""
    shown = b"%d" % published if payload is None else payload
    return RawEvent(shown, {"of": "test"}, f"m{published}", published)


class WarmArchive(NamedTuple):
    """The archive of one source at a path, local or gs://."""

    root: str

    def folder(self, published: int) -> str:
        """Return the folder of an hour."""
        return f"{self.root}/{EVENTS}/{hour_folder(SOURCE, published)}"

    def put(self, messages: Iterable[RawEvent], *, entered: bool = True) -> list[ManifestEntry]:
        """Write messages, an object for each hour."""
        hours: dict[int, list[RawEvent]] = {}
        for each in messages:
            hours.setdefault((each.publish_time or 0) // HOUR * HOUR, []).append(each)
        return [self.put_hour(hour, rows, entered=entered) for hour, rows in hours.items()]

    def put_hour(
        self, hour: int, rows: list[RawEvent], *, entered: bool = True, codec: str = "null"
    ) -> ManifestEntry:
        """Write one object, and its entry unless it is to be an orphan."""
        pack = in_order(RawPack.of(rows))
        content = to_avro(pack, codec)
        entry = ManifestEntry.of(pack, content, codec)
        create_object(f"{self.folder(hour)}/{entry.object_name}", content)
        if entered:
            create_object(f"{self.folder(hour)}/{entry.name}", entry.to_json())
        return entry

    def mark(self, complete_to: int) -> None:
        """Say that all that was published before is there."""
        replace_object(f"{self.root}/{marker_name(SOURCE)}", Completeness(complete_to).to_json())

    def replace(
        self, hour: int, outputs: Iterable[ManifestEntry], inputs: Iterable[ManifestEntry]
    ) -> None:
        """Record that objects stand for others, as a compaction does at its end."""
        record = Replacement(tuple(e.digest for e in outputs), tuple(e.digest for e in inputs))
        create_object(f"{self.folder(hour)}/{record.name}", record.to_json())

    def delete(self, hour: int, entry: ManifestEntry) -> None:
        """Delete an object and its entry, as a compaction does when its grace is over."""
        delete_object(f"{self.folder(hour)}/{entry.name}")
        delete_object(f"{self.folder(hour)}/{entry.object_name}")
