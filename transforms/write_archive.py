"""Writes batches of messages as immutable objects, each with its entry in the manifest."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.archive_avro import CODECS, digest_of, in_order, to_avro
from schemas.archive_layout import EVENTS, hour_folder, source_problem
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from schemas.parcels import Parcel
from schemas.times import SECOND
from transforms.batch_messages import Batch
from transforms.counters import counter
from transforms.object_store import (
    ObjectStoreError,
    check_path,
    create_object,
    list_objects,
    read_object,
)
from transforms.pubsub_messages import attribute_time

__all__ = ["WriteArchive", "event_times"]

# Whoever puts something else under the names of that many variants does so on purpose.
_VARIANTS = 16
# Half of the shortest grace after which compaction deletes an object without an entry.
_ORPHAN_AGE = 30 * SECOND


@dataclass
class WriteArchive(beam.PTransform[PCollection[Batch], PCollection[str]]):
    """PCollection[(start of the hour, RawPack)] -> PCollection[name of each entry].

    Each batch becomes `<path>/raw/events/source=<source>/dt=YYYY-MM-DD/hr=HH/<digest>.avro`, its
    messages in order of publish time, and then the entry of the manifest beside it; names are
    relative to `<path>/raw/events`. Nothing is decoded, dropped or rejected. Timestamps stay.

    **Retries.** Behind a stable boundary a retry has the same batch and writes the same names. What
    exists is never written over: an object that is there is read, and counts as written if its
    bytes have the digest that it is named by. If they have not (empty, cut, or somebody else's),
    the same messages are written beside it with other bytes, and so under another name: its entry
    tells the truth, and the damaged object is left to be looked at. So it is with one that has no
    entry and is older than half a minute: a compaction may be deleting it. A batch that is formed
    again after a failure of the engine may overlap another one; readers remove copies.

    Event times go into the entry where every message of the object has an attribute that tells its
    own. Counters: `archived` (messages), `archived_bytes` (of objects), `objects_written`,
    `objects_found`, `objects_damaged`.

    Raises, at run time: `ObjectStoreError`, which fails the bundle: nothing is dropped.

    Args:
        path: of the archive, local folder or gs://BUCKET[/FOLDER].
        source: name of the source, such as that of the topic.
        codec: `zstd`, `deflate` or `null`.
        event_time_attribute: attribute with a message's event time, in epoch milliseconds or RFC
            3339, for the manifest.
        settle: set the stable boundary, which is a shuffle. Without it the write is in one stage
            with what comes before: for batches that a retry makes again as they were, or that must
            be written before their source acknowledges them.
        clock: seconds since the epoch.
    """

    path: str
    source: str
    codec: str = "zstd"
    event_time_attribute: str | None = None
    settle: bool = True
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.path = check_path(self.path)
        if problem := source_problem(self.source):
            msg = f"source={self.source!r}: {problem}"
            raise ValueError(msg)
        if self.codec not in CODECS:
            msg = f"codec={self.codec!r}: use one of {', '.join(CODECS)}"
            raise ValueError(msg)

    def expand(self, batches: PCollection[Batch]) -> PCollection[str]:
        """Set the boundary and write behind it."""
        if self.settle:
            batches = (
                batches
                | "PackUp" >> beam.Map(_packed_up).with_output_types(tuple[int, Parcel])
                | "Settle" >> beam.Reshuffle()
                | "Open" >> beam.Map(_opened).with_output_types(Batch)
            )
        return batches | "WriteObjects" >> beam.ParDo(_Write(self)).with_output_types(str)


def event_times(pack: RawPack, attribute: str | None) -> list[int] | None:
    """Return the event time that each message's attribute tells, None if one of them does not.

    >>> event_times(RawPack([b"a"], [5], attributes=[{"ts": "1500"}]), "ts")
    [1500000]
    """
    if attribute is None or pack.attributes is None:
        return None
    told = [attribute_time(attributes.get(attribute)) for attributes in pack.attributes]
    known = [time for time in told if time is not None]
    return known if len(known) == len(told) else None


def _packed_up(batch: Batch) -> tuple[int, Parcel]:
    return batch[0], Parcel.of(batch[1], len(batch[1]))


def _opened(batch: tuple[int, Parcel]) -> Batch:
    return batch[0], batch[1].open()


class _Write(beam.DoFn):
    def __init__(self, given: WriteArchive) -> None:
        self._root = f"{given.path}/{EVENTS}"
        self._source, self._codec = given.source, given.codec
        self._attribute, self._clock = given.event_time_attribute, given.clock

    def setup(self) -> None:
        """Take the counters."""
        self._archived, self._bytes = counter("archived"), counter("archived_bytes")
        self._written, self._found = counter("objects_written"), counter("objects_found")
        self._damaged = counter("objects_damaged")

    def process(self, batch: Batch) -> Iterator[str]:
        """Write the object of a batch, then its entry."""
        hour, pack = batch
        folder = hour_folder(self._source, hour)
        entry = self._write(f"{self._root}/{folder}", in_order(pack))
        # Only now: what the manifest names is complete. The name tells all, so one that is there,
        # of an earlier try, is as good.
        create_object(f"{self._root}/{folder}/{entry.name}", entry.to_json())
        self._archived.inc(entry.events)
        self._bytes.inc(entry.size)
        yield f"{folder}/{entry.name}"

    def _write(self, place: str, pack: RawPack) -> ManifestEntry:
        times = event_times(pack, self._attribute)
        for variant in range(_VARIANTS):
            content = to_avro(pack, self._codec, variant)
            entry = ManifestEntry.of(pack, content, self._codec, times)
            if self._is_there(place, entry, content):
                return entry
        msg = f"{place}/{entry.object_name}: damaged, and so are all others of the same messages"
        raise ObjectStoreError(msg)

    def _is_there(self, place: str, entry: ManifestEntry, content: bytes) -> bool:
        path = f"{place}/{entry.object_name}"
        if create_object(path, content):
            self._written.inc()
            return True
        found = read_object(path)
        if found is None or digest_of(found) != entry.digest:
            self._damaged.inc()
            return False
        if self._is_forsaken(path) and read_object(f"{place}/{entry.name}") is None:
            return False
        self._found.inc()
        return True

    def _is_forsaken(self, path: str) -> bool:
        """Return whether an object is so old that, without an entry, it may be deleted by now."""
        oldest = round(self._clock() * SECOND) - _ORPHAN_AGE
        return all(listed.modified < oldest for listed in list_objects(path))
