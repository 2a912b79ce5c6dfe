"""Reads messages back from the raw archive, as they arrived."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput
from apache_beam.transforms.window import TimestampedValue
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

from schemas.archive_layout import source_problem
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry, parse_name
from schemas.packs import RawPack
from schemas.rejected import Reason, Rejected, reject
from schemas.replay_plan import ReplaySpan
from transforms.archive_objects import BadArchiveError, read_packs
from transforms.counters import counter
from transforms.garbage import settle
from transforms.plan_replay import needed_objects

__all__ = ["ON_BAD_OBJECT", "ArchivedMessages", "ReadArchive"]

STEP = "ReadArchive"
ON_BAD_OBJECT = ("fail", "quarantine")
_REJECTED = "rejected"
_LEAST, _GREATEST = MIN_TIMESTAMP.micros, MAX_TIMESTAMP.micros


class ArchivedMessages(NamedTuple):
    """What came of the objects: their messages, and the objects that are bad."""

    packs: PCollection[RawPack]
    rejected: PCollection[Rejected]


@dataclass
class ReadArchive(beam.PTransform[PBegin, ArchivedMessages]):
    """The archive of one source -> packs of messages, undecoded; and objects that are bad.

    The manifest is listed when the job runs, and its objects are spread over the workers. Each is
    read whole and proven by digest and count. Of its messages those published in the span's range
    leave, the others are not read: no counter counts them. A pack holds up to 500 messages or about
    256 KB, in the order of its object, with publish times, message ids, attributes and ordering
    keys; its timestamp is the least publish time in it. Packs come in any order. Bounded; global
    window.

    A message comes as often as the archive holds it: objects may overlap. An object that a
    compaction replaces while the job runs is still there, since it is kept for the grace.

    A bad object fails the job with the one line of `BadArchiveError` (`fail`), or leaves as one
    `Rejected` with the fault as reason and its name as payload (`quarantine`), and the rest is
    read. Counters: `objects_read`, `bad_objects`. What cannot be listed or read at all fails the
    job with the one line of `ObjectStoreError`.

    Args:
        root: of the archive.
        source: the one that is read.
        span: what of it.
        on_bad_object: `fail` or `quarantine`.
    """

    root: str
    source: str
    span: ReplaySpan
    on_bad_object: Literal["fail", "quarantine"] = "fail"

    def __post_init__(self) -> None:
        super().__init__()
        if self.on_bad_object not in ON_BAD_OBJECT:
            msg = f"on_bad_object={self.on_bad_object!r}: use {' or '.join(ON_BAD_OBJECT)}"
            raise ValueError(msg)
        problem = source_problem(self.source)
        if problem:
            msg = f"source: {problem}"
            raise ValueError(msg)

    @no_annotations
    def expand(self, pbegin: PBegin) -> ArchivedMessages:
        """List, spread, read."""
        listing = beam.ParDo(_ListObjects(self)).with_output_types(tuple[str, str])
        outputs = (
            pbegin
            | "Begin" >> beam.Impulse()
            | "ListObjects" >> listing
            | "SpreadObjects" >> beam.Reshuffle()
            | "ReadObjects"
            >> beam.ParDo(_ReadObjects(self))
            .with_output_types(RawPack, rejected=Rejected)
            .with_outputs(_REJECTED, main="packs")
        )
        return ArchivedMessages(outputs.packs, outputs.rejected)


class _ListObjects(beam.DoFn):
    """Tells each object by its folder and the name of its entry."""

    def __init__(self, given: ReadArchive) -> None:
        self._place = (given.root, given.source, given.span)

    def process(self, element: bytes) -> Iterator[tuple[str, str]]:
        for folder, entry in needed_objects(*self._place):
            yield folder, entry.name


class _ReadObjects(beam.DoFn):
    def __init__(self, given: ReadArchive) -> None:
        self._span = given.span
        self._keep_bad = given.on_bad_object == "quarantine"
        self._read, self._bad = counter("objects_read"), counter("bad_objects")

    def setup(self) -> None:
        settle()

    def process(self, element: tuple[str, str]) -> Iterable[Any]:
        folder, name = element
        entry = parse_name(name)
        assert entry is not None
        path = f"{folder}/{entry.object_name}"
        bounds = self._span.published_from, self._span.published_to
        whole = self._span.holds_all_of(entry)
        try:
            packs = read_packs(path, entry) if whole else read_packs(path, entry, *bounds)
        except BadArchiveError as error:
            self._bad.inc()
            if not self._keep_bad:
                msg = f"{error}, or, if it is no repair, give --on_bad_object=quarantine"
                raise BadArchiveError(msg, error.path, error.fault, error.detail) from None
            yield TaggedOutput(_REJECTED, _refused(error, entry))
            return
        self._read.inc()
        for least, pack in packs:
            yield TimestampedValue(pack, _timestamp(least))


def _refused(error: BadArchiveError, entry: ManifestEntry) -> Rejected:
    raw = RawEvent(error.path.encode(errors="replace"), publish_time=entry.first_publish)
    return reject(raw, STEP, Reason(error.fault), error.detail)


def _timestamp(micros: int) -> Timestamp:
    return Timestamp(micros=min(max(micros, _LEAST), _GREATEST))
