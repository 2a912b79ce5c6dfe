"""Writes batches of messages as immutable objects, each with its entry in the manifest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.archive_avro import CODECS, to_avro
from schemas.archive_layout import EVENTS, hour_folder
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from transforms.counters import counter
from transforms.object_store import check_path, create_object
from transforms.pubsub_messages import attribute_time

__all__ = ["WriteArchive", "entry_of", "in_order"]


@dataclass
class WriteArchive(beam.PTransform[PCollection[tuple[int, RawPack]], PCollection[str]]):
    """PCollection[(start of the hour, RawPack)] -> PCollection[name of each entry].

    Each batch becomes `<path>/raw/events/source=<source>/dt=YYYY-MM-DD/hr=HH/<digest>.avro`, its
    messages in order of publish time, and then the entry of the manifest beside it; names are
    relative to `<path>/raw/events`. Nothing is decoded, dropped or rejected.

    Behind a stable boundary: a retry has the same batch and writes the same names. An object or an
    entry that exists counts as written. A batch that is formed again after a failure of the engine
    may overlap another one; readers remove what they find twice by message id. Timestamps stay.
    Counters: `archived` (messages), `objects_written`, `objects_found`.

    Raises, at run time: `ObjectStoreError`, which fails the bundle: nothing is dropped.

    Args:
        path: local folder or gs://BUCKET[/FOLDER].
        source: name of the source, such as that of the topic.
        codec: `zstd`, `deflate` or `null`.
        event_time_attribute: attribute with a message's event time, in epoch milliseconds or RFC
            3339, for the manifest.
    """

    path: str
    source: str
    codec: str = "zstd"
    event_time_attribute: str | None = None

    def __post_init__(self) -> None:
        self.path = check_path(self.path)
        if not self.source:
            msg = "source='': give the source a name"
            raise ValueError(msg)
        if self.codec not in CODECS:
            msg = f"codec={self.codec!r}: use one of {', '.join(CODECS)}"
            raise ValueError(msg)

    def expand(self, batches: PCollection[tuple[int, RawPack]]) -> PCollection[str]:
        """Set the boundary and write behind it."""
        stable = batches | "Settle" >> beam.Reshuffle()
        return stable | "WriteObjects" >> beam.ParDo(_Write(self)).with_output_types(str)


class Encoded(NamedTuple):
    """An entry and the content of the object that it is about."""

    entry: ManifestEntry
    content: bytes


def in_order(pack: RawPack) -> list[RawEvent]:
    """Return the messages of a batch by publish time; equal batches in equal order."""
    return sorted(map(pack.row, range(len(pack))), key=_place)


def entry_of(rows: list[RawEvent], codec: str, attribute: str | None = None) -> Encoded:
    """Encode messages, at least one, that are in their order."""
    digest, content = to_avro(rows, codec)
    times = [attribute_time(row.attributes.get(attribute)) for row in rows] if attribute else []
    # Where one message does not tell its time, nothing is known of the object.
    known = [] if None in times else [time for time in times if time is not None]
    entry = ManifestEntry(
        digest=digest,
        events=len(rows),
        size=len(content),
        first_publish=rows[0].publish_time or 0,
        last_publish=rows[-1].publish_time or 0,
        first_event=min(known, default=None),
        last_event=max(known, default=None),
        codec=codec,
    )
    return Encoded(entry, content)


class _Write(beam.DoFn):
    def __init__(self, given: WriteArchive) -> None:
        self._root = f"{given.path}/{EVENTS}"
        self._source, self._codec = given.source, given.codec
        self._attribute = given.event_time_attribute

    def setup(self) -> None:
        self._archived = counter("archived")
        self._written, self._found = counter("objects_written"), counter("objects_found")

    def process(self, batch: tuple[int, RawPack]) -> Iterator[str]:
        hour, pack = batch
        entry, content = entry_of(in_order(pack), self._codec, self._attribute)
        folder = hour_folder(self._source, hour)
        place = f"{self._root}/{folder}"
        created = create_object(f"{place}/{entry.object_name}", content)
        # Only now: what the manifest names is complete.
        create_object(f"{place}/{entry.name}", entry.to_json())
        (self._written if created else self._found).inc()
        self._archived.inc(entry.events)
        yield f"{folder}/{entry.name}"


def _place(row: RawEvent) -> tuple[Any, ...]:
    attributes = sorted(row.attributes.items()) if row.attributes else []
    return row.publish_time, row.message_id, row.ordering_key, row.payload, attributes
