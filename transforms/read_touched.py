"""Reads from the raw archive all that the tiles of some candidates are made of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas.archive_layout import HOUR, hour_of
from schemas.candidates import Candidate
from schemas.manifest import ManifestEntry, parse_name
from schemas.packs import RawPack
from transforms.archive_manifest import list_hour
from transforms.archive_objects import BadArchiveError, read_packs
from transforms.counters import counter

__all__ = ["PlanTouched", "ReadTouched", "hours_of", "needed"]

_WINDOW = GlobalWindow()
_Span = tuple[int, int]


@dataclass
class PlanTouched(beam.PTransform[PCollection[Candidate], PCollection[tuple[str, str]]]):
    """PCollection[Candidate] -> the objects to be read: folder of the hour, name of the entry.

    All objects of the hours in which events of the touched tiles may have been published, and of
    the hour of the message itself, however late that was; without those whose event times are known
    to lie elsewhere. Hours are read whole, so what is read does not depend on how the archive is
    cut into objects. Each object once. Nothing is opened. Counters: `objects_planned`,
    `events_planned`, `bytes_planned`. Bounded; global window.

    Raises, at run time: `ObjectStoreError`: the archive cannot be listed.

    Args:
        root: of the archive.
        source: of the archive.
        max_future: microseconds that an event may lie ahead of its publish time.
        max_lateness: microseconds that an event may lie behind it.
    """

    root: str
    source: str
    max_future: int
    max_lateness: int

    def expand(self, candidates: PCollection[Candidate]) -> PCollection[tuple[str, str]]:
        """Gather hours, list each once."""
        planned: Any = (
            candidates
            | "GatherHours" >> beam.ParDo(_GatherHours(self)).with_output_types(tuple[int, _Span])
            | "GroupByHour" >> beam.GroupByKey()
            | "ListHours" >> beam.ParDo(_ListHour(self)).with_output_types(tuple[str, str])
        )
        return planned


@dataclass
class ReadTouched(beam.PTransform[PCollection[tuple[str, str]], PCollection[RawPack]]):
    """The objects of a plan -> packs of their messages, in any order; bounded, global window.

    Every object is proven. A bad one fails the job with the one line of `BadArchiveError`, always:
    a tile that is computed without it would be less than what stands in the table. Counter:
    `objects_read`.
    """

    def expand(self, objects: PCollection[tuple[str, str]]) -> PCollection[RawPack]:
        """Spread and read."""
        read: Any = (
            objects
            | "SpreadObjects" >> beam.Reshuffle()
            | "ReadObjects" >> beam.ParDo(_ReadObject()).with_output_types(RawPack)
        )
        return read


def hours_of(candidate: Candidate, max_future: int, max_lateness: int) -> Iterator[int]:
    """Yield the starts of the hours in which what a candidate touches may have been published.

    Lengths and starts in microseconds.
    """
    first = hour_of(candidate.start - max_future)
    last = hour_of(candidate.end + max_lateness - 1)
    yield from range(first, last + 1, HOUR)
    published = candidate.record.publish_time
    if published is not None and not first <= hour_of(published) <= last:
        yield hour_of(published)


def needed(entry: ManifestEntry, spans: Iterable[_Span]) -> bool:
    """Return whether an object may hold an event of one of some spans of event time.

    >>> entry = ManifestEntry(digest="0" * 32, events=1, size=1, first_publish=0, last_publish=0,
    ...     first_event=5, last_event=7, codec="null")
    >>> needed(entry, [(0, 5)]), needed(entry, [(7, 8)])
    (False, True)
    """
    first, last = entry.first_event, entry.last_event
    if first is None or last is None:
        return True
    return any(start <= last and first < end for start, end in spans)


class _GatherHours(beam.DoFn):
    """Collects the hours of a bundle, each with the span of event time that asks for it."""

    def __init__(self, given: PlanTouched) -> None:
        self._bounds = given.max_future, given.max_lateness

    def start_bundle(self) -> None:
        self._hours: dict[int, _Span] = {}

    def process(self, candidate: Candidate) -> None:
        mine = candidate.start, candidate.end
        for hour in hours_of(candidate, *self._bounds):
            held = self._hours.get(hour, mine)
            self._hours[hour] = min(held[0], mine[0]), max(held[1], mine[1])

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for each in self._hours.items():
            yield WindowedValue(each, _WINDOW.max_timestamp(), [_WINDOW])


class _ListHour(beam.DoFn):
    def __init__(self, given: PlanTouched) -> None:
        self._place = given.root, given.source
        names = ("objects_planned", "events_planned", "bytes_planned")
        self._counters = [counter(name) for name in names]

    def process(self, element: tuple[int, Iterable[_Span]]) -> Iterator[tuple[str, str]]:
        start, spans = element[0], list(element[1])
        hour = list_hour(*self._place, start)
        for entry in hour.entries:
            if needed(entry, spans):
                for metric, n in zip(self._counters, (1, entry.events, entry.size), strict=True):
                    metric.inc(n)
                yield hour.folder, entry.name


class _ReadObject(beam.DoFn):
    def __init__(self) -> None:
        self._read = counter("objects_read")

    def process(self, element: tuple[str, str]) -> Iterator[RawPack]:
        folder, name = element
        entry = parse_name(name)
        assert entry is not None
        try:
            packs = read_packs(f"{folder}/{entry.object_name}", entry)
        except BadArchiveError as error:
            msg = f"{error.path}: {error.detail}; restore it: nothing is computed anew without it"
            raise BadArchiveError(msg, error.path, error.fault, error.detail) from None
        self._read.inc()
        for _, pack in packs:
            yield pack
