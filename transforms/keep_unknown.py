"""Keeps refused records of messages that a quarantine does not hold yet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.archive_avro import BadObjectError
from schemas.quarantine_reading import records_of
from schemas.rejected import Rejected
from schemas.released import release_key
from transforms.counters import counter
from transforms.object_store import check_path, list_folders, read_objects
from transforms.quarantine import quarantine_folder

__all__ = ["KeepUnknown"]

_STEP = "step="
_SUFFIX = ".avro"


@dataclass
class KeepUnknown(beam.PTransform[PCollection[Rejected], PCollection[Rejected]]):
    """PCollection[Rejected] -> those whose message is not in the quarantine, in no order.

    For messages that were read from the archive, most of which were refused before, by whatever
    step: they have a publish time, and so a day, whose records are read once. Of a damaged object
    nothing is known. Bounded; global window. Counters: `known_rejects`, those that went, and
    `unread_objects`.

    Raises, at run time: `ObjectStoreError`: the quarantine cannot be read.

    Args:
        quarantine: local folder or gs://BUCKET/FOLDER.
    """

    quarantine: str

    def __post_init__(self) -> None:
        """Check the path; nothing is opened."""
        self.quarantine = check_path(self.quarantine)

    def expand(self, rejected: PCollection[Rejected]) -> PCollection[Rejected]:
        """Group by day and compare."""
        keyed = rejected | "KeyByDay" >> beam.Map(_keyed).with_output_types(tuple[str, Rejected])
        kept: Any = (
            keyed
            | "GroupByDay" >> beam.GroupByKey()
            | "Compare" >> beam.ParDo(_Compare(self.quarantine)).with_output_types(Rejected)
        )
        return kept


class _Compare(beam.DoFn):
    def __init__(self, quarantine: str) -> None:
        self._quarantine = quarantine
        self._known, self._unread = counter("known_rejects"), counter("unread_objects")

    def process(self, group: tuple[str, Iterable[Rejected]]) -> Iterator[Rejected]:
        day, records = group
        known = set(self._keys(day))
        for record in records:
            if release_key(record) in known:
                self._known.inc()
            else:
                yield record

    def _keys(self, day: str) -> Iterator[bytes]:
        for step in list_folders(self._quarantine):
            if step.startswith(_STEP):
                folder = f"{self._quarantine}/{step}/{day}"
                for _, content in read_objects(folder, _SUFFIX):
                    yield from self._keys_of(content)

    def _keys_of(self, content: bytes) -> list[bytes]:
        try:
            return [release_key(record) for record in records_of(content)]
        except BadObjectError:
            self._unread.inc()
            return []


def _keyed(record: Rejected) -> tuple[str, Rejected]:
    return quarantine_folder(record).rpartition("/")[2], record
