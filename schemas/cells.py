"""Cells of the Bigtable layout and the changes that carry them; docs/bigtable.md specifies them."""

import hashlib

import msgspec

__all__ = ["STATE_FAMILY", "TILE_FAMILY", "Cell", "Clear", "RowChange", "row_key"]

STATE_FAMILY = "s"
TILE_FAMILY = "t"


class Cell(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One versioned value. `timestamp` is in microseconds and a multiple of 1,000.

    Where `clear_from` is set, the older cells of the same qualifier with a timestamp in
    [`clear_from`, `timestamp`) are deleted by the same mutation.
    """

    family: str
    qualifier: str
    timestamp: int
    value: bytes
    clear_from: int | None = None


class Clear(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A span of cell times, `[start, end)` in microseconds and multiples of 1,000, to be emptied.

    Where `end` is not after `start` there is nothing to delete.
    """

    family: str
    qualifier: str
    start: int
    end: int


class RowChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that is to be written to one row, in one atomic mutation.

    `clears` are emptied before any cell is set, so what stands there then is what `cells` say.
    """

    row_key: bytes
    cells: list[Cell]
    clears: tuple[Clear, ...] = ()


def row_key(entity: str, entity_id: str) -> bytes:
    """Return `<2 hex digits of sha256(id)>#<entity>#<id>`: spread over the table, and stable.

    >>> row_key("user", "u1")
    b'bb#user#u1'
    """
    identifier = entity_id.encode()
    spread = hashlib.sha256(identifier).hexdigest()[:2]
    return f"{spread}#{entity}#".encode() + identifier
