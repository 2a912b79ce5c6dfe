"""Archives for tests: objects with their entries, and what may be wrong with them."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.archive_avro import in_order, to_avro
from schemas.archive_layout import EVENTS, HOUR, hour_folder
from schemas.completeness import Completeness, marker_name
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry, Replacement
from schemas.packs import RawPack
from transforms.object_store import create_object, replace_object

SOURCE = "events"


class Put(NamedTuple):
    """An object that was put into an archive."""

    path: str
    entry: ManifestEntry

    @property
    def entry_path(self) -> str:
        return f"{self.path.rpartition('/')[0]}/{self.entry.name}"


def put(
    root: Path | str,
    messages: Sequence[RawEvent],
    source: str = SOURCE,
    codec: str = "zstd",
    event_times: list[int] | None = None,
) -> Put:
    """Write messages as one object, in the hour of the first of them."""
    pack = in_order(RawPack.of(messages))
    content = to_avro(pack, codec)
    entry = ManifestEntry.of(pack, content, codec, event_times)
    folder = f"{root}/{EVENTS}/{hour_folder(source, entry.first_publish)}"
    found = Put(f"{folder}/{entry.object_name}", entry)
    create_object(found.path, content)
    create_object(found.entry_path, entry.to_json())
    return found


def put_all(
    root: Path | str, messages: Iterable[RawEvent], size: int = 7, source: str = SOURCE
) -> list[Put]:
    """Write messages as objects of up to `size`, none of which crosses an hour."""
    hours: dict[int, list[RawEvent]] = {}
    for message in messages:
        hours.setdefault((message.publish_time or 0) // HOUR, []).append(message)
    return [
        put(root, some[n : n + size], source)
        for some in hours.values()
        for n in range(0, len(some), size)
    ]


def put_overlapping(
    root: Path | str, messages: Sequence[RawEvent], seed: int = 0, source: str = SOURCE
) -> list[Put]:
    """Write messages once, and half of them again in other objects."""
    dice = random.Random(seed)
    again = [message for message in messages if dice.random() < 0.5]
    return put_all(root, messages, 7, source) + put_all(root, again, 5, source)


def compact(puts: Sequence[Put], root: Path | str, source: str = SOURCE) -> list[Put]:
    """Put one object in place of those of each hour; the old ones stay, as in the grace."""
    hours: dict[str, list[Put]] = {}
    for each in {one.path: one for one in puts}.values():
        hours.setdefault(each.path.rpartition("/")[0], []).append(each)
    outputs = []
    for folder, some in hours.items():
        pack = RawPack.join(one.entry.read(Path(one.path).read_bytes()) for one in some)
        output = put(root, [pack.row(n) for n in range(len(pack))], source, "deflate")
        record = Replacement((output.entry.digest,), tuple(one.entry.digest for one in some))
        create_object(f"{folder}/{record.name}", record.to_json())
        outputs.append(output)
    return outputs


def complete(root: Path | str, complete_to: int, source: str = SOURCE) -> None:
    """Move the completeness marker of a source."""
    replace_object(f"{root}/{marker_name(source)}", Completeness(complete_to).to_json())
