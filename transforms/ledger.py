"""Keeps and reads the ledger of a quarantine: what was released from it into a sink."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from schemas.rejected import Rejected
from schemas.released import ledger_folder, ledger_line, parse_ledger_line, release_key
from transforms.object_names import date_folder
from transforms.object_store import ObjectStoreError, list_objects, read_object, read_objects
from transforms.write_objects import WriteLines

__all__ = ["ReadLedger", "WriteLedger", "released_keys"]

_SUFFIX = ".ndjson"


def released_keys(path: str) -> Iterator[bytes]:
    """Yield the keys of all messages that the ledger objects below a path name.

    Raises:
        ObjectStoreError: an object is none of a ledger, or cannot be read.
    """
    for name, content in read_objects(path, _SUFFIX):
        yield from _keys(name, content)


@dataclass
class ReadLedger(beam.PTransform[PBegin, PCollection[bytes]]):
    """A quarantine -> the keys (`schemas.released.release_key`) of what was released into a sink.

    A key may come more than once. Bounded; global window.

    Raises, at run time: `ObjectStoreError`, also where an object is none of a ledger.

    Args:
        quarantine: local folder or gs://BUCKET/FOLDER.
        sink: the name of the sink.
    """

    quarantine: str
    sink: str

    def expand(self, pbegin: PBegin) -> PCollection[bytes]:
        """List, spread, read."""
        folder = f"{self.quarantine}/{ledger_folder(self.sink)}"
        keys: Any = (
            pbegin
            | "Begin" >> beam.Create([folder], reshuffle=False)
            | "ListLedger" >> beam.FlatMap(_listed).with_output_types(str)
            | "SpreadLedger" >> beam.Reshuffle()
            | "ReadKeys" >> beam.FlatMap(_read).with_output_types(bytes)
        )
        return keys


@dataclass
class WriteLedger(beam.PTransform[PCollection[Rejected], PCollection[str]]):
    """PCollection[Rejected] -> one line a record in the ledger; yields the names of its objects.

    To be given records whose effect is written. Objects are immutable, and named by what is in
    them, so that a retry writes the same. Counter: `ledger_lines`.

    Args:
        quarantine: local folder or gs://BUCKET/FOLDER.
        sink: the name of the sink.
    """

    quarantine: str
    sink: str

    def expand(self, released: PCollection[Rejected]) -> PCollection[str]:
        """Name each message and write the names."""
        path = f"{self.quarantine}/{ledger_folder(self.sink)}"
        lines = released | "NameReleased" >> beam.Map(_line).with_output_types(tuple[str, bytes])
        written: Any = (
            lines
            # A repeated bundle or a message that came twice is one line.
            | "GroupLines" >> beam.GroupByKey()
            | "OfEachOne" >> beam.FlatMapTuple(_distinct).with_output_types(tuple[str, bytes])
            | "WriteLines" >> WriteLines(path, "ledger_lines")
        )
        return written


def _line(record: Rejected) -> tuple[str, bytes]:
    time = record.rejected_at if record.publish_time is None else record.publish_time
    return date_folder(time), ledger_line(release_key(record))


def _distinct(folder: str, lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    for line in sorted(set(lines)):
        yield folder, line


def _listed(folder: str) -> Iterator[str]:
    for found in list_objects(folder, _SUFFIX):
        yield found.path


def _read(path: str) -> Iterator[bytes]:
    return _keys(path, read_object(path) or b"")


def _keys(path: str, content: bytes) -> Iterator[bytes]:
    try:
        yield from map(parse_ledger_line, io.BytesIO(content))
    except ValueError as error:
        msg = f"{path}: {error}; move it away"
        raise ObjectStoreError(msg) from None
