"""Whole objects as files below a local folder: the local half of `transforms.object_store`.

A file is written beside its place, flushed to the disk and moved there, so that half an object is
never seen, not even after a power cut. Names that begin with a dot are nobody's objects.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Listed", "create", "delete", "folders", "listed", "put", "read", "unfinished", "update"]

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.part")
# Who updates is alone, so one file does: a killed one's is written over by the next.
_NEXT = "next"


class Listed(NamedTuple):
    """An object as a listing tells it: its full path, bytes, and when it was written last."""

    path: str
    size: int
    modified: int
    """In microseconds since the epoch."""


def create(path: str, data: bytes) -> bool:
    """Write a file that must not exist; return False where it did."""
    if os.path.exists(path):
        return False
    beside = _beside(path, data)
    try:
        # A link, unlike a move, fails where another process was quicker.
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(beside)
    _settle(os.path.dirname(path))
    return True


def put(path: str, data: bytes, mark: str = "") -> None:
    """Write a file, whether there was one or not; `mark`: see `_beside`."""
    beside = _beside(path, data, mark)
    try:
        os.replace(beside, path)
    except OSError:
        os.unlink(beside)
        raise
    _settle(os.path.dirname(path))


def read(path: str) -> bytes | None:
    """Return a file's content, None where there is none."""
    try:
        return pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        return None


def delete(path: str) -> bool:
    """Delete a file; return False where there was none."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def update(path: str, change: Callable[[bytes | None], bytes | None]) -> bool:
    """Replace a file by what `change` makes of it (None: leave it), one process at a time."""
    folder, name = os.path.split(path)
    _make(folder)
    with open(os.path.join(folder, f".{name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        changed = change(read(path))
        if changed is not None:
            put(path, changed, _NEXT)
    return changed is not None


def listed(path: str, suffix: str) -> Iterator[Listed]:
    """Yield the files below a folder with this suffix, by path; the path of a file yields it."""
    root = str(pathlib.Path(path))
    for file in [root] if os.path.isfile(root) else sorted(_files(root, suffix)):
        if not os.path.basename(file).startswith(".") and (found := _listed(file)) is not None:
            yield found


def unfinished(path: str) -> list[Listed]:
    """Return what writers that were killed, or are not done yet, have left in a folder itself."""
    try:
        with os.scandir(path) as entries:
            found = [each.path for each in entries if _UNFINISHED.fullmatch(each.name)]
    except FileNotFoundError:
        return []
    return [each for file in sorted(found) if (each := _listed(file)) is not None]


def folders(path: str) -> list[str]:
    """Return the names of the folders in a folder, in order; none where it is not there."""
    try:
        with os.scandir(path) as found:
            return sorted(entry.name for entry in found if entry.is_dir())
    except FileNotFoundError:
        return []


def _listed(file: str) -> Listed | None:
    try:
        known = os.stat(file)
    except FileNotFoundError:
        return None
    is_file = stat.S_ISREG(known.st_mode)
    return Listed(file, known.st_size, known.st_mtime_ns // 1000) if is_file else None


def _files(root: str, suffix: str) -> Iterator[str]:
    for folder, _, names in os.walk(root, onerror=_refuse):
        # As plain text: a hundred thousand objects of pathlib take seconds.
        place = os.path.join(folder, "").removeprefix("./")
        yield from (place + name for name in names if name.endswith(suffix))


def _refuse(error: OSError) -> None:
    """Pass over a folder that is not there; what must not be read is not the same as nothing."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _beside(path: str, data: bytes, mark: str = "") -> str:
    """Write a file beside its place, under a name of its own or by a mark of who is alone there."""
    folder, name = os.path.split(path)
    _make(folder)
    beside = os.path.join(folder, f".{name}.{mark or secrets.token_hex(4)}.part")
    try:
        with open(beside, "wb" if mark else "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        raise
    return beside


def _make(folder: str) -> None:
    """Make a folder and those above it, each on the disk: what is in a lost one is lost."""
    if folder and not os.path.isdir(folder):
        above = os.path.dirname(folder)
        _make(above)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
        _settle(above)


def _settle(folder: str) -> None:
    """Flush a folder, which is what holds the name of a file."""
    descriptor = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
