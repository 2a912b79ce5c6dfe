"""Keeps what was refused: Avro objects by step and day, whose names come from their content.

The quarantine holds original bytes, so it is as restricted as the raw archive.
"""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection

from schemas.quarantine_avro import from_avro, identity, to_avro
from schemas.rejected import Rejected
from schemas.times import DAY
from transforms.object_names import date_folder
from transforms.object_store import check_path, read_objects
from transforms.write_objects import ObjectForm, PackRecords, WriteObjects

__all__ = ["Quarantine", "quarantine_folder", "read_quarantine"]

_SUFFIX = ".avro"
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_DECODER = msgspec.msgpack.Decoder(Rejected)


@dataclass
class Quarantine(beam.PTransform[PCollection[Rejected], PCollection[str]]):
    """PCollection[Rejected] -> Avro objects; yields the names of the objects, relative to `path`.

    `<path>/step=<step>/dt=YYYY-MM-DD/<digest>.avro`; the day is that of the publish time, else of
    the rejection, in UTC. The digest is of the records without what tells one handling from another
    (`identity`), so a repeated bundle or run writes the same objects and none twice; a record that
    was handed in again is another one. Any windows;
    late data is kept. Stamps `rejected_at`, `job`, `replayed_from` and `run` where they are empty.
    Counter: `quarantined`.

    Raises, at run time: `ObjectStoreError`, which fails the bundle: nothing is dropped.

    Args:
        path: local folder or gs://BUCKET/FOLDER.
        job: the name to stamp.
        max_bytes: size of a pack of records.
        clock: seconds since the epoch, for `rejected_at`.
        replayed_from: archive and source of a replay; empty on the live path.
        run: the run of a replay; empty on the live path.
    """

    path: str
    job: str = ""
    max_bytes: int = 4_000_000
    clock: Callable[[], float] = time.time
    replayed_from: str = ""
    run: str = ""

    def __post_init__(self) -> None:
        """Check the path; nothing is opened."""
        self.path = check_path(self.path)

    def expand(self, rejected: PCollection[Rejected]) -> PCollection[str]:
        """Stamp, pack, write."""
        stamp = beam.ParDo(_StampRejects(self))
        return (
            rejected
            | "StampRejects" >> stamp.with_output_types(tuple[str, bytes])
            | "PackRejects" >> PackRecords(self.max_bytes)
            | "WriteRejects" >> WriteObjects(self.path, _FORM)
        )


def quarantine_folder(record: Rejected) -> str:
    """Return the folder of a stamped record.

    >>> quarantine_folder(Rejected("Decode", "not_json", "", b"", {}, "", "", None, 0))
    'step=Decode/dt=1970-01-01'
    """
    time_ = record.rejected_at if record.publish_time is None else record.publish_time
    return _folder(record.step, time_ // DAY)


@functools.lru_cache(maxsize=1_024)
def _folder(step: str, day: int) -> str:
    return f"step={quote(step, safe='')}/{date_folder(day * DAY)}"


def read_quarantine(path: str) -> Iterator[Rejected]:
    """Yield all records below a path (a quarantine, a part of it, or one object), by object."""
    for _, content in read_objects(path, _SUFFIX):
        yield from from_avro(content)


class _StampRejects(beam.DoFn):
    """Completes records and finds their folder."""

    def __init__(self, given: Quarantine) -> None:
        self._job, self._clock = given.job, given.clock
        self._replayed_from, self._run = given.replayed_from, given.run

    def process(self, record: Rejected) -> Iterator[tuple[str, bytes]]:
        stamped = msgspec.structs.replace(
            record,
            rejected_at=record.rejected_at or int(self._clock() * 1e6),
            job=record.job or self._job,
            replayed_from=record.replayed_from or self._replayed_from,
            run=record.run or self._run,
        )
        yield quarantine_folder(stamped), _ENCODER.encode(stamped)


def _identity(record: bytes) -> bytes:
    """Return what tells a record from others in a name: the attempt counts, unlike in a retry."""
    decoded = _DECODER.decode(record)
    known = identity(decoded)
    return known + decoded.attempt.to_bytes(4, "big") if decoded.attempt else known


def _encode(records: Sequence[bytes]) -> bytes:
    return to_avro([*map(_DECODER.decode, records)], records)


_FORM = ObjectForm(_SUFFIX, _encode, "quarantined", _identity)
