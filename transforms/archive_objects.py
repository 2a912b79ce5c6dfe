"""Reads one object of the archive: whole, proven, as packs of the messages that are asked for."""

import bisect
import itertools
from collections.abc import Iterator

from schemas.archive_avro import BadObjectError
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from transforms.object_store import read_object

__all__ = ["BadArchiveError", "Packed", "cut", "published_in", "read_packs"]

_MAX_ROWS = 500
_MAX_BYTES = 256 * 1024

Packed = tuple[int, RawPack]
"""The least publish time of a pack, in microseconds, and the pack."""


class BadArchiveError(RuntimeError):
    """An object is not what its entry in the manifest says: one line that names it.

    `fault` is one of `schemas.archive_avro.Fault`, `detail` says what is wrong without the name.
    """

    def __init__(self, message: str, path: str = "", fault: str = "", detail: str = "") -> None:
        # Beam makes another one of the message alone, to say which step it was.
        super().__init__(message)
        self.path, self.fault, self.detail = path, fault, detail


def read_packs(
    path: str, entry: ManifestEntry, first: int | None = None, last: int | None = None
) -> Iterator[Packed]:
    """Yield the messages of an object in their order, packed.

    The object is read and proven before the first pack leaves, so a bad one yields nothing.

    Args:
        path: of the object.
        entry: its entry in the manifest.
        first: with `last`: only messages published in [first, last), in microseconds.
        last: see `first`.

    Raises:
        BadArchiveError: it is not there, or not what was written.
        ObjectStoreError: it cannot be read.
    """
    try:
        packs = entry.packs(read_object(path))
    except BadObjectError as error:
        msg = f"{path}: {error}; restore it"
        raise BadArchiveError(msg, path, error.fault, str(error)) from None
    if first is not None and last is not None:
        packs = (published_in(pack, first, last) for pack in packs)
    return itertools.chain.from_iterable(map(cut, packs))


def published_in(pack: RawPack, first: int, last: int) -> RawPack:
    """Return the messages published in [first, last), in microseconds, in their order.

    >>> published_in(RawPack([b"a", b"b", b"c"], [4, 5, 9]), 5, 9).payloads
    [b'b']
    """
    times = pack.publish_times or []
    rows = [row for row, time in enumerate(times) if time is not None and first <= time < last]
    return pack if len(rows) == len(pack) else pack.take(rows)


def cut(pack: RawPack, max_rows: int = _MAX_ROWS, max_bytes: int = _MAX_BYTES) -> Iterator[Packed]:
    """Cut a large pack into small ones, each of at least one row, in order; empty: none.

    >>> [each.payloads for _, each in cut(RawPack([b"ab", b"c", b"d"], [1, 1, 2]), 9, 2)]
    [[b'ab'], [b'c', b'd']]
    """
    size = len(pack)
    ends = list(itertools.accumulate(map(len, pack.payloads)))
    begin = 0
    while begin < size:
        base = ends[begin - 1] if begin else 0
        end = min(bisect.bisect_right(ends, base + max_bytes, begin), begin + max_rows, size)
        part = _rows(pack, begin, max(end, begin + 1))
        times = [time for time in part.publish_times or [] if time is not None]
        yield min(times, default=0), part
        begin += len(part)


def _rows(pack: RawPack, begin: int, end: int) -> RawPack:
    rows = slice(begin, end)
    return RawPack(
        pack.payloads[rows],
        pack.publish_times and pack.publish_times[rows],
        pack.message_ids and pack.message_ids[rows],
        pack.attributes and pack.attributes[rows],
        pack.ordering_keys and pack.ordering_keys[rows],
    )
