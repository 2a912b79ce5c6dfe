"""Writes the cells that Bigtable would get as NDJSON, one cell a line.

`schemas.cell_lines` gives the form and says how a reader combines lines.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas.cell_lines import CellLine, ClearLine, lines_of, parse_line
from schemas.cells import RowChange
from transforms.counters import counter
from transforms.object_names import pack, unpack
from transforms.object_store import check_path, read_objects, replace_object
from transforms.write_objects import WriteObjects, globally, lines_form

__all__ = ["WriteCellLines", "is_one_file", "read_cell_lines", "read_lines"]

_FILE_SUFFIXES = (".ndjson", ".jsonl", ".json")
_LINES_A_PACK = 20_000
_WINDOW = GlobalWindow()


@dataclass
class WriteCellLines(beam.PTransform[PCollection[RowChange], PCollection[str]]):
    """PCollection[RowChange] -> NDJSON of their cells, sorted; yields the names of what it wrote.

    A path that ends in `.ndjson`, `.jsonl` or `.json` is one file, also where there are no cells;
    it replaces an older one, and its lines must fit one worker's memory. Any other path is a folder
    of objects with content-derived names, as in `WriteObjects`; objects of another run stay.
    What a cell clears is not written: the greatest version counts. What a repair clears is, in
    lines of its own, so its lines belong in a place of their own. A stream needs a folder.
    Counters: `mutations` and `written`, as in `WriteCells`, which refuses; this never does; and
    `cells_written`, which counts lines.

    Args:
        path: local path or gs://BUCKET/PATH.
    """

    path: str

    def __post_init__(self) -> None:
        """Check the path; nothing is opened."""
        self.path = check_path(self.path)

    def expand(self, changes: PCollection[RowChange]) -> PCollection[str]:
        """Encode by bundle, then write behind a stable boundary."""
        is_file = is_one_file(self.path)
        if is_file and not changes.is_bounded:
            msg = f"path {self.path!r}: a stream needs a folder, not a file"
            raise ValueError(msg)
        encoding = beam.ParDo(_EncodeLines()).with_output_types(tuple[str, bytes])
        packs = globally(changes) | "EncodeLines" >> encoding
        if is_file:
            return packs | "WriteOneFile" >> _WriteOneFile(self.path)
        return packs | "WriteCellObjects" >> WriteObjects(self.path, lines_form("cells_written"))


def is_one_file(path: str) -> bool:
    """Return whether a path is written as one file; any other is a folder of objects.

    >>> is_one_file("cells.ndjson"), is_one_file("cells")
    (True, False)
    """
    return path.endswith(_FILE_SUFFIXES)


def read_cell_lines(path: str) -> Iterator[CellLine]:
    """Yield the cells that one run set: of a file, or of all NDJSON objects below a folder.

    Raises:
        ValueError: a line is none; one line that names the object and the line's number.
    """
    return (line for line in read_lines(path) if isinstance(line, CellLine))


def read_lines(path: str) -> Iterator[CellLine | ClearLine]:
    """Yield the cells and the clears of one run, as `schemas.cell_lines.applied` takes them.

    Raises:
        ValueError: as in `read_cell_lines`.
    """
    for name, content in read_objects(path, ".ndjson"):
        for number, line in enumerate(io.BytesIO(content), 1):
            yield _parsed(line, name, number)


def _parsed(line: bytes, name: str, number: int) -> CellLine | ClearLine:
    try:
        return parse_line(line)
    except msgspec.DecodeError as error:
        msg = f"{name} line {number} is no cell: {error}"
        raise ValueError(msg) from None


@dataclass
class _WriteOneFile(beam.PTransform[PCollection[tuple[str, bytes]], PCollection[str]]):
    path: str

    def expand(self, packs: PCollection[tuple[str, bytes]]) -> PCollection[str]:
        # The empty pack makes a file also of no lines.
        nothing = beam.Create([("", pack([]))]).with_output_types(tuple[str, bytes])
        return (
            (packs, packs.pipeline | "NoLines" >> nothing)
            | "AddNoLines" >> beam.Flatten()
            | "GroupAll" >> beam.GroupByKey()
            | "ReplaceFile" >> beam.Map(_replace_file, self.path).with_output_types(str)
        )


def _replace_file(group: tuple[str, Iterable[bytes]], path: str) -> str:
    lines = sorted(line for packed in group[1] for line in unpack(packed))
    replace_object(path, b"".join([line + b"\n" for line in lines]))
    return path


class _EncodeLines(beam.DoFn):
    """Collects the lines of a bundle."""

    def setup(self) -> None:
        self._mutations, self._written = counter("mutations"), counter("written")

    def start_bundle(self) -> None:
        self._lines: list[bytes] = []
        self._changes = 0

    def process(self, change: RowChange) -> Iterator[tuple[str, bytes]] | None:
        self._lines += lines_of(change)
        self._changes += 1
        return iter([self._taken()]) if len(self._lines) >= _LINES_A_PACK else None

    def finish_bundle(self) -> Iterator[WindowedValue]:
        # The end of the window, for to ask for each change's time costs more than to encode it.
        if self._changes:
            yield WindowedValue(self._taken(), _WINDOW.max_timestamp(), [_WINDOW])

    def _taken(self) -> tuple[str, bytes]:
        self._mutations.inc(self._changes)
        self._written.inc(self._changes)
        lines, self._lines, self._changes = self._lines, [], 0
        return "", pack(lines)
