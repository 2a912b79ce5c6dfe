"""Small archives for tests: objects with their entries, and what a reader finds in them."""

import os
from pathlib import Path

from schemas.archive_avro import in_order, to_avro
from schemas.archive_layout import EVENTS, HOUR, hour_folder
from schemas.completeness import Completeness, marker_name
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from transforms.archive_manifest import list_hour
from transforms.object_store import create_object, read_object, replace_object

START = 480_000 * HOUR


def message(number: int, published: int | None = None) -> RawEvent:
    """Return a message that no other number has; odd ones have attributes."""
    attributes = {"b": str(number), "a": "x"} if number % 2 else {}
    time = START + number * 1_000 if published is None else published
    return RawEvent(b'{"n":%d}' % number, attributes, f"id-{number}", time, "key"[: number % 4])


def put(
    root, messages, source="s", start=START, codec="zstd", event_times=None, entered=True
) -> ManifestEntry:
    """Write an object, and its entry unless it is to be an orphan."""
    pack = in_order(RawPack.of(messages))
    content = to_avro(pack, codec)
    entry = ManifestEntry.of(pack, content, codec, event_times)
    folder = f"{root}/{EVENTS}/{hour_folder(source, start)}"
    create_object(f"{folder}/{entry.object_name}", content)
    if entered:
        create_object(f"{folder}/{entry.name}", entry.to_json())
    return entry


def put_marker(root, source="s", complete_to=START + 100 * HOUR):
    replace_object(f"{root}/{marker_name(source)}", Completeness(complete_to).to_json())


def listed(root, source="s", start=START):
    return list_hour(str(root), source, start)


def rows_of(root, source="s", start=START) -> list[list[RawEvent]]:
    """Return the messages of each object that counts, each proven."""
    hour = list_hour(str(root), source, start)
    packs = [entry.read(read_object(hour.path_of(entry))) for entry in hour.entries]
    return [[pack.row(index) for index in range(len(pack))] for pack in packs]


def all_rows(root, source="s", start=START) -> list[RawEvent]:
    return [row for rows in rows_of(root, source, start) for row in rows]


def ids_of(root, source="s", start=START) -> set[str]:
    """Return the messages that a reader finds, whatever is there twice."""
    return {row.message_id for row in all_rows(root, source, start)}


def make_older(root, seconds: float) -> None:
    """Let all files look as if they had been written earlier."""
    for path in Path(root).rglob("*"):
        if path.is_file():
            known = path.stat()
            os.utime(path, (known.st_atime - seconds, known.st_mtime - seconds))


def files_of(root) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}
