"""What `penstock archive show` does: the messages themselves."""

import base64
import heapq
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from console.archive_range import ArchiveRange, shown_time
from schemas.archive_avro import BadObjectError
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from transforms.archive_manifest import ArchivedHour
from transforms.object_store import ObjectStoreError, read_object

__all__ = ["show_messages"]

_Read = Callable[[ManifestEntry], RawPack | None]


def show_messages(
    chosen: ArchiveRange,
    message_id: str | None,
    limit: int | None,
    complain: Callable[[str], None],
) -> Iterator[str]:
    """Yield messages as JSON lines: by source, hour and publish time.

    In memory are the objects of an hour that overlap at one moment. A message that is in two
    objects comes twice. Nothing is masked.

    Args:
        chosen: what is asked for; of the objects that touch it only what was published in it.
        message_id: only messages with this id.
        limit: at most so many.
        complain: takes the line about an object that cannot be shown, and is passed over.
    """
    return islice(_lines(chosen, message_id, complain), limit)


def _lines(
    chosen: ArchiveRange, message_id: str | None, complain: Callable[[str], None]
) -> Iterator[str]:
    for source in chosen.sources:
        for hour in chosen.hours(source, complain):
            read = _reading(hour, complain)
            for name, raw in _in_order(chosen.meant(hour.entries), read):
                if chosen.first <= (raw.publish_time or 0) < chosen.last and (
                    message_id in (None, raw.message_id)
                ):
                    yield _line(source, name, raw)


def _reading(hour: ArchivedHour, complain: Callable[[str], None]) -> _Read:
    def read(entry: ManifestEntry) -> RawPack | None:
        path = hour.path_of(entry)
        try:
            return entry.read(read_object(path))
        except BadObjectError as error:
            complain(f"{path}: {error.fault}: {error}")
        except ObjectStoreError as error:
            complain(str(error))
        return None

    return read


def _in_order(entries: Sequence[ManifestEntry], read: _Read) -> Iterator[tuple[str, RawEvent]]:
    """Yield object and message by publish time; an object is read when its first one is due."""
    waiting = deque(entries)
    # A digest is there once, so no two packs are ever compared.
    due: list[tuple[int, str, deque[int], RawPack]] = []
    while waiting or due:
        while waiting and (not due or waiting[0].first_publish <= due[0][0]):
            entry = waiting.popleft()
            pack = read(entry)
            if pack:
                heapq.heappush(due, (entry.first_publish, entry.object_name, _rows(pack), pack))
        if due:
            _, name, rows, pack = heapq.heappop(due)
            yield name, pack.row(rows.popleft())
            if rows:
                heapq.heappush(due, (_publish_time(pack, rows[0]), name, rows, pack))


def _rows(pack: RawPack) -> deque[int]:
    return deque(sorted(range(len(pack)), key=lambda row: _publish_time(pack, row)))


def _publish_time(pack: RawPack, row: int) -> int:
    times = pack.publish_times
    return (times[row] if times else None) or 0


def _line(source: str, name: str, raw: RawEvent) -> str:
    shown = {
        "source": source,
        "object": name,
        "publish_time": shown_time(raw.publish_time or 0),
        "message_id": raw.message_id,
        "ordering_key": raw.ordering_key,
        "attributes": raw.attributes,
        **_payload(raw.payload),
    }
    # As ASCII: a message may hold what a terminal obeys.
    return json.dumps(shown).replace("\x7f", "\\u007f")


def _payload(payload: bytes) -> dict[str, str]:
    try:
        return {"payload": payload.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": base64.b64encode(payload).decode()}
