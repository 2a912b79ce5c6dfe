"""Cells and row changes as JSON: one cell a line for files, one change a value for the quarantine.

A line is `{"row_key", "family", "qualifier", "timestamp_micros", "value"}`, the value in standard
base64. A row key that is not UTF-8 is written as `row_key_base64` instead of `row_key`.

How to combine lines: of equal (row, family, qualifier), the greatest `timestamp_micros` counts; in
the tile family within each tile, that is for each `floor(timestamp_micros / tile length)`. A stream
may write a last value twice under one time (two events of one millisecond): lines do not tell which
of the two came last, as Bigtable does.

A repair also writes lines of what it empties first, `{"row_key", "family", "qualifier",
"clear_from_micros", "clear_to_micros"}`, the end exclusive. They speak of what stood there *before*
the run that wrote them, and say nothing about the cells beside them: of one run's lines, in any
order, skip them; to apply a run to an older state, empty first and then set (`applied`). So a
repair's lines belong in a place of their own.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from schemas.cells import Cell, Clear, RowChange

__all__ = [
    "CellLine",
    "ClearLine",
    "applied",
    "change_json",
    "lines_of",
    "parse_change",
    "parse_line",
]


class CellLine(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One cell as it stands in a file."""

    row_key: str | None = None
    row_key_base64: bytes | None = None
    family: str
    qualifier: str
    timestamp_micros: int
    value: bytes

    @property
    def key(self) -> bytes:
        """Return the row key, whichever way it was written."""
        return _key(self.row_key, self.row_key_base64)


class ClearLine(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A span of cell times that was emptied before the cells of its run were set."""

    row_key: str | None = None
    row_key_base64: bytes | None = None
    family: str
    qualifier: str
    clear_from_micros: int
    clear_to_micros: int

    @property
    def key(self) -> bytes:
        """Return the row key, whichever way it was written."""
        return _key(self.row_key, self.row_key_base64)


# To write lines: a struct with positions is made in half the time of one with keywords only.
class _TextLine(msgspec.Struct, frozen=True, gc=False):
    row_key: str
    family: str
    qualifier: str
    timestamp_micros: int
    value: bytes


class _BytesLine(msgspec.Struct, frozen=True, gc=False):
    row_key_base64: bytes
    family: str
    qualifier: str
    timestamp_micros: int
    value: bytes


class _ChangedCell(msgspec.Struct, frozen=True, omit_defaults=True):
    family: str
    qualifier: str
    timestamp_micros: int
    value: bytes
    clear_from_micros: int | None = None


class _Cleared(msgspec.Struct, frozen=True):
    family: str
    qualifier: str
    from_micros: int
    to_micros: int


class _Change(msgspec.Struct, frozen=True, omit_defaults=True):
    cells: list[_ChangedCell]
    row_key: str | None = None
    row_key_base64: bytes | None = None
    clears: tuple[_Cleared, ...] = ()


_Form = TypeVar("_Form")
_ENCODER = msgspec.json.Encoder()
_LINE = msgspec.json.Decoder(CellLine)
_CLEAR_LINE = msgspec.json.Decoder(ClearLine)
_CLEAR_MARK = b'"clear_'
_CHANGE = msgspec.json.Decoder(_Change)


def lines_of(change: RowChange) -> list[bytes]:
    """Return one line, without its line end, for each clear and each cell of a change.

    >>> lines_of(RowChange(b"r", [Cell("s", "plan", 1_000, b"x")]))
    [b'{"row_key":"r","family":"s","qualifier":"plan","timestamp_micros":1000,"value":"eA=="}']
    """
    try:
        key: Any = change.row_key.decode()
        form: Any = _TextLine
    except UnicodeDecodeError:
        key, form = change.row_key, _BytesLine
    lines = [form(key, c.family, c.qualifier, c.timestamp, c.value) for c in change.cells]
    if change.clears:
        lines = [*_clear_lines(change), *lines]
    return _ENCODER.encode_lines(lines).split(b"\n")[:-1]


def parse_line(line: bytes) -> CellLine | ClearLine:
    """Read a line back; a `msgspec.DecodeError` means that it is none."""
    try:
        return _decoded(_LINE, line)
    except msgspec.ValidationError:
        if _CLEAR_MARK not in line:
            raise
    return _decoded(_CLEAR_LINE, line)


def applied(*runs: Iterable[CellLine | ClearLine]) -> Iterator[CellLine]:
    """Yield the cells that stand after the lines of runs were applied one run after the other.

    The lines of one run may come in any order. All that stands is held in memory.
    """
    columns: dict[tuple[bytes, str, str], dict[int, CellLine]] = {}
    for run in runs:
        lines = list(run)
        for line in lines:
            if isinstance(line, ClearLine):
                held = columns.get((line.key, line.family, line.qualifier), {})
                start, end = line.clear_from_micros, line.clear_to_micros
                for gone in [time for time in held if start <= time < end]:
                    del held[gone]
        for line in lines:
            if isinstance(line, CellLine):
                column = columns.setdefault((line.key, line.family, line.qualifier), {})
                column[line.timestamp_micros] = line
    for held in columns.values():
        yield from held.values()


def change_json(change: RowChange) -> bytes:
    """Write a whole change, with what it clears, so that it can be applied again."""
    text, encoded = _written(change.row_key)
    cells = [_changed(cell) for cell in change.cells]
    clears = tuple(_Cleared(c.family, c.qualifier, c.start, c.end) for c in change.clears)
    return _ENCODER.encode(_Change(cells, text, encoded, clears))


def parse_change(payload: bytes) -> RowChange:
    """Read a change back from `change_json`; a `msgspec.DecodeError` means that it is none."""
    change = _decoded(_CHANGE, payload)
    clears = tuple(Clear(c.family, c.qualifier, c.from_micros, c.to_micros) for c in change.clears)
    return RowChange(_key(change.row_key, change.row_key_base64), [*_cells(change.cells)], clears)


def _decoded(decoder: msgspec.json.Decoder[_Form], data: bytes) -> _Form:
    try:
        return decoder.decode(data)
    except (UnicodeDecodeError, RecursionError):
        msg = "not UTF-8, or nested too deep"
        raise msgspec.DecodeError(msg) from None


def _clear_lines(change: RowChange) -> Iterator[ClearLine]:
    text, encoded = _written(change.row_key)
    for clear in change.clears:
        yield ClearLine(
            row_key=text,
            row_key_base64=encoded,
            family=clear.family,
            qualifier=clear.qualifier,
            clear_from_micros=clear.start,
            clear_to_micros=clear.end,
        )


def _written(row_key: bytes) -> tuple[str | None, bytes | None]:
    try:
        return row_key.decode(), None
    except UnicodeDecodeError:
        return None, row_key


def _key(text: str | None, encoded: bytes | None) -> bytes:
    return encoded or b"" if text is None else text.encode()


def _changed(cell: Cell) -> _ChangedCell:
    return _ChangedCell(cell.family, cell.qualifier, cell.timestamp, cell.value, cell.clear_from)


def _cells(cells: Iterable[_ChangedCell]) -> Iterator[Cell]:
    for cell in cells:
        yield Cell(
            cell.family, cell.qualifier, cell.timestamp_micros, cell.value, cell.clear_from_micros
        )
