"""Writes records as immutable objects whose names come from their content.

Packs of records are formed first; then comes a stable boundary, and only then are they written, so
a retry has the same pack, gives it the same name, and finds its object there. In batch the boundary
is a grouping by folder, which makes few large objects whose content does not depend on how the
engine cut its bundles; in a stream it is a reshuffle, and each bundle's pack is an object.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow, GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms.counters import counter
from transforms.object_names import object_name, pack, unpack
from transforms.object_store import check_path, create_object

__all__ = ["ObjectForm", "PackRecords", "WriteLines", "WriteObjects", "globally", "lines_form"]


@dataclass(frozen=True)
class ObjectForm:
    """How records become an object.

    `encode` must give equal bytes for equal records. `identity` is what of a record counts for the
    object's name (None: all of it). `counted` names the counter of records written.
    """

    suffix: str
    encode: Callable[[Sequence[bytes]], bytes]
    counted: str
    identity: Callable[[bytes], bytes] | None = None


@dataclass
class PackRecords(beam.PTransform[PCollection[tuple[str, bytes]], PCollection[tuple[str, bytes]]]):
    """PCollection[(folder, record)] -> PCollection[(folder, pack)], by bundle; leaves the windows.

    Args:
        max_bytes: a pack is closed when it holds as much.
    """

    max_bytes: int = 4_000_000

    def expand(self, records: PCollection[tuple[str, bytes]]) -> PCollection[tuple[str, bytes]]:
        """Leave the windows and pack."""
        packing = beam.ParDo(_PackByFolder(self.max_bytes)).with_output_types(tuple[str, bytes])
        return globally(records) | "PackByFolder" >> packing


@dataclass
class WriteObjects(beam.PTransform[PCollection[tuple[str, bytes]], PCollection[str]]):
    """PCollection[(folder, pack)] in the global window -> PCollection[name of each object].

    Objects are `<path>/<folder>/<digest of the identities><suffix>`, records sorted by identity. An
    object that exists counts as written. Equal records of one folder are all kept in batch; in a
    stream two packs that are equal in all identities are one object.

    Raises, at run time: `ObjectStoreError`, which fails the bundle: no such bucket, no permission.

    Args:
        path: local folder or gs://BUCKET/FOLDER.
        form: how records become an object.
        max_bytes: an object of the batch form is closed when it holds as much.
    """

    path: str
    form: ObjectForm
    max_bytes: int = 64_000_000

    def __post_init__(self) -> None:
        """Check the path; nothing is opened."""
        self.path = check_path(self.path)

    def expand(self, packs: PCollection[tuple[str, bytes]]) -> PCollection[str]:
        """Set the boundary and write behind it."""
        if packs.is_bounded:
            stable = packs | "GroupByFolder" >> beam.GroupByKey()
        else:
            stable = packs | "Settle" >> beam.Reshuffle() | "AsGroup" >> beam.MapTuple(_as_group)
        writing = _WriteGroups(self.path, self.form, self.max_bytes)
        return stable | "WriteGroups" >> beam.ParDo(writing).with_output_types(str)


@dataclass
class WriteLines(beam.PTransform[PCollection[tuple[str, bytes]], PCollection[str]]):
    """PCollection[(folder, line)] -> NDJSON objects; yields their names.

    A line has no line end; a folder is a relative path such as `dt=2026-01-31` (`date_folder`).
    Objects, repetition and errors are as in `WriteObjects`. Counter: `counted`.

    Args:
        path: local folder or gs://BUCKET/FOLDER.
        counted: name of the counter of lines.
        max_bytes: size of a pack.
    """

    path: str
    counted: str = "lines_written"
    max_bytes: int = 4_000_000

    def __post_init__(self) -> None:
        """Check the path; nothing is opened."""
        self.path = check_path(self.path)

    def expand(self, lines: PCollection[tuple[str, bytes]]) -> PCollection[str]:
        """Pack and write."""
        return (
            lines
            | "PackLines" >> PackRecords(self.max_bytes)
            | "WriteLineObjects" >> WriteObjects(self.path, lines_form(self.counted))
        )


def lines_form(counted: str) -> ObjectForm:
    """Return the form of NDJSON objects."""
    return ObjectForm(".ndjson", _joined_lines, counted)


def globally(rows: PCollection[Any]) -> PCollection[Any]:
    """Return the elements in the global window; costs nothing where they are in it."""
    if isinstance(rows.windowing.windowfn, GlobalWindows):
        return rows
    return rows | "LeaveWindows" >> beam.WindowInto(GlobalWindows())


def _joined_lines(lines: Sequence[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n"


def _as_group(folder: str, packed: bytes) -> tuple[str, list[bytes]]:
    return folder, [packed]


class _PackByFolder(beam.DoFn):
    """Collects a bundle's records by folder."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def start_bundle(self) -> None:
        self._packs: dict[str, list[bytes]] = {}
        self._bytes: dict[str, int] = {}
        self._times: dict[str, Any] = {}

    def process(
        self, record: tuple[str, bytes], timestamp: Any = beam.DoFn.TimestampParam
    ) -> Iterator[tuple[str, bytes]]:
        folder, content = record
        self._packs.setdefault(folder, []).append(content)
        self._times[folder] = timestamp
        self._bytes[folder] = self._bytes.get(folder, 0) + len(content)
        if self._bytes[folder] >= self._max_bytes:
            del self._bytes[folder]
            yield folder, pack(self._packs.pop(folder))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for folder, records in self._packs.items():
            yield WindowedValue((folder, pack(records)), self._times[folder], [GlobalWindow()])


class _WriteGroups(beam.DoFn):
    """Writes the packs of one folder, sorted, as objects of bounded size."""

    def __init__(self, path: str, form: ObjectForm, max_bytes: int) -> None:
        self._path, self._form, self._max_bytes = path, form, max_bytes

    def setup(self) -> None:
        self._written = counter(self._form.counted)

    def process(self, group: tuple[str, Iterable[bytes]]) -> Iterator[str]:
        folder, packs = group
        seen: dict[str, int] = {}
        for records in _bounded(packs, self._max_bytes):
            yield self._write(folder, records, seen)

    def _write(self, folder: str, records: list[bytes], seen: dict[str, int]) -> str:
        form = self._form
        identities, ordered = _ordered(records, form.identity)
        name = object_name(identities, form.suffix)
        copy = seen[name] = seen.get(name, -1) + 1
        if copy:
            name = object_name(identities, form.suffix, copy)
        name = f"{folder}/{name}" if folder else name
        create_object(f"{self._path}/{name}", form.encode(ordered))
        self._written.inc(len(records))
        return name


def _ordered(
    records: list[bytes], identity: Callable[[bytes], bytes] | None
) -> tuple[list[bytes], list[bytes]]:
    """Return the identities and the records, both in the order of the identities."""
    if identity is None:
        records.sort()
        return records, records
    known = sorted((identity(record), record) for record in records)
    return [found for found, _ in known], [record for _, record in known]


def _bounded(packs: Iterable[bytes], max_bytes: int) -> Iterator[list[bytes]]:
    held: list[bytes] = []
    size = 0
    for packed in packs:
        held += unpack(packed)
        size += len(packed)
        if size >= max_bytes:
            yield held
            held, size = [], 0
    if held:
        yield held
