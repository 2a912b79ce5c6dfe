"""Reads the records of a quarantine, object by object."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.archive_avro import BadObjectError
from schemas.events import RawEvent
from schemas.quarantine_reading import proven_records
from schemas.rejected import Reason, Rejected, reject
from transforms.archive_objects import BadArchiveError
from transforms.counters import counter
from transforms.object_store import check_path, list_objects, read_object
from transforms.quarantine_filter import EVERYTHING, Filter
from transforms.read_archive import ON_BAD_OBJECT

__all__ = ["ReadQuarantine", "RefusedRecords"]

STEP = "ReadQuarantine"
_SUFFIX = ".avro"
_REJECTED = "rejected"


class RefusedRecords(NamedTuple):
    """The records of the objects, and the objects that are bad."""

    records: PCollection[Rejected]
    rejected: PCollection[Rejected]


@dataclass
class ReadQuarantine(beam.PTransform[PBegin, RefusedRecords]):
    """A quarantine -> its records, and objects that are bad.

    Every record of the objects that may hold what is meant: of a message that was refused again
    there are several, and which of them counts is only known once all are there. So nothing is
    chosen here but folders, by step and by the first day. Each object is read whole before a record
    of it leaves. Bounded; global window; any order. The ledger is no part of it.

    A bad object fails the job with the one line of `BadArchiveError` (`fail`), or leaves as one
    `Rejected` with the fault as reason and its name as payload (`quarantine`). Counters:
    `quarantine_objects_read`, `bad_objects`. What cannot be listed or read at all fails the job
    with the one line of `ObjectStoreError`.

    Args:
        path: local folder or gs://BUCKET/FOLDER.
        meant: what is asked for.
        on_bad_object: `fail` or `quarantine`.
    """

    path: str
    meant: Filter = EVERYTHING
    on_bad_object: Literal["fail", "quarantine"] = "fail"

    def __post_init__(self) -> None:
        super().__init__()
        self.path = check_path(self.path)
        if self.on_bad_object not in ON_BAD_OBJECT:
            msg = f"on_bad_object={self.on_bad_object!r}: use {' or '.join(ON_BAD_OBJECT)}"
            raise ValueError(msg)

    @no_annotations
    def expand(self, pbegin: PBegin) -> RefusedRecords:
        """List, spread, read."""
        outputs = (
            pbegin
            | "Begin" >> beam.Impulse()
            | "ListObjects" >> beam.ParDo(_ListObjects(self)).with_output_types(str)
            | "SpreadObjects" >> beam.Reshuffle()
            | "ReadObjects"
            >> beam.ParDo(_ReadObjects(self))
            .with_output_types(Rejected, rejected=Rejected)
            .with_outputs(_REJECTED, main="records")
        )
        return RefusedRecords(outputs.records, outputs.rejected)


class _ListObjects(beam.DoFn):
    def __init__(self, given: ReadQuarantine) -> None:
        self._path = given.path
        # A record that was refused again after `end`, or for another reason, hides an older one.
        self._folders = given.meant._replace(reason=None, end=None)

    def process(self, element: bytes) -> Iterator[str]:
        for found in list_objects(self._path, _SUFFIX):
            if self._folders.may_hold(found.path):
                yield found.path


class _ReadObjects(beam.DoFn):
    def __init__(self, given: ReadQuarantine) -> None:
        self._keep_bad = given.on_bad_object == "quarantine"
        self._read, self._bad = counter("quarantine_objects_read"), counter("bad_objects")

    def process(self, path: str) -> Iterable[Any]:
        try:
            records = proven_records(read_object(path))
        except BadObjectError as error:
            self._bad.inc()
            if not self._keep_bad:
                msg = f"{path}: {error}; move it away, or give --on_bad_object=quarantine"
                raise BadArchiveError(msg, path, error.fault, str(error)) from None
            raw = RawEvent(path.encode(errors="replace"))
            yield TaggedOutput(_REJECTED, reject(raw, STEP, Reason(error.fault), str(error)))
            return
        self._read.inc()
        yield from records
