"""Ids for the lines of files, which have none of their own: a line is known by its place."""

import hashlib
import os

from schemas.locations import is_remote

__all__ = ["digest_of_file", "line_ids"]

_ENDINGS = tuple(f"-{line:05}" for line in range(1_000))


def digest_of_file(name: str) -> str:
    """Return a digest of a file's full path: the same, whatever folder it is named from.

    >>> len(digest_of_file("gs://bucket/events.ndjson"))
    16
    """
    full = name if is_remote(name) else os.path.abspath(name)
    return hashlib.blake2b(os.fsencode(full), digest_size=8).hexdigest()


def line_ids(file: str, offset: int, lines: int) -> list[str]:
    """Return the ids of the lines of a block, in order as the lines of a file up to 256 TB are.

    Args:
        file: of `digest_of_file`.
        offset: of the block in the file.
        lines: how many there are in the block.

    >>> line_ids("00000000000000ff", 65_536, 2)[1]
    '00000000000000ff-000000010000-00001'
    """
    block = f"{file}-{offset:012x}"
    known = [block + ending for ending in _ENDINGS[:lines]]
    return known + [f"{block}-{line:05}" for line in range(len(known), lines)]
