"""Stores of whole objects: one in memory, and a real folder on a disk that can be full.

Both stand where `transforms.folder_objects` does, so that the suite's own steps and readers work on
them, and both refuse to write where the disk is full.
"""

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from chaos.kinds import Kind
from chaos.troubles import Troubles
from transforms import folder_objects
from transforms.folder_objects import Listed

__all__ = ["FolderModel", "MemoryModel", "Objects"]


_MARKER = "_complete.json"
"""The end of the names of the only objects that change."""


class Objects(Protocol):
    """What `transforms.object_store` asks of a store.

    `overwritten` are the paths of objects whose bytes were changed, though such objects never are.
    """

    overwritten: set[str]

    def create(self, path: str, data: bytes) -> bool:
        """Write what must not exist."""

    def put(self, path: str, data: bytes, mark: str = "") -> None:
        """Write it, whether it exists or not."""

    def read(self, path: str) -> bytes | None:
        """Return the content."""

    def delete(self, path: str) -> bool:
        """Delete it."""

    def update(self, path: str, change: Callable[[bytes | None], bytes | None]) -> bool:
        """Replace it by what is made of it."""

    def listed(self, path: str, suffix: str) -> Iterator[Listed]:
        """Yield what is below."""

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders in a folder."""


class MemoryModel:
    """Objects in a dictionary, as a bucket has them: an answer may be lost after the write."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._kept: dict[str, tuple[bytes, int]] = {}
        self.overwritten: set[str] = set()

    def create(self, path: str, data: bytes) -> bool:
        """Write what must not exist; where the disk is full, perhaps after it was written."""
        full = self._troubles.strikes(Kind.FULL_DISK)
        if path in self._kept:
            return False
        if not full or self._troubles.random.random() < 0.2:
            self._kept[path] = data, self._troubles.clock.now
        if full:
            raise _full(path)
        return True

    def put(self, path: str, data: bytes, mark: str = "") -> None:
        """Write it, whether it exists or not."""
        if self._troubles.strikes(Kind.FULL_DISK):
            raise _full(path)
        if not path.endswith(_MARKER) and self._kept.get(path, (data, 0))[0] != data:
            self.overwritten.add(path)
        self._kept[path] = data, self._troubles.clock.now

    def read(self, path: str) -> bytes | None:
        """Return the content, None where there is none."""
        found = self._kept.get(path)
        return None if found is None else found[0]

    def delete(self, path: str) -> bool:
        """Delete it; return False where there was none."""
        return self._kept.pop(path, None) is not None

    def update(self, path: str, change: Callable[[bytes | None], bytes | None]) -> bool:
        """Replace it by what `change` makes of it."""
        changed = change(self.read(path))
        if changed is not None:
            self.put(path, changed)
        return changed is not None

    def listed(self, path: str, suffix: str) -> Iterator[Listed]:
        """Yield what is below a folder, or the object of this name, in order."""
        for name in sorted(self._kept):
            if name == path or (name.startswith(f"{path}/") and name.endswith(suffix)):
                content, modified = self._kept[name]
                yield Listed(name, len(content), modified)

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders in a folder."""
        below = (name[len(path) + 1 :] for name in self._kept if name.startswith(f"{path}/"))
        return sorted({name.partition("/")[0] for name in below if "/" in name})


class FolderModel:
    """The suite's own local objects, in a real folder; only the disk is not as large as it seems.

    Args:
        root: an empty folder.
        troubles: say when the disk is full.
    """

    def __init__(self, root: str, troubles: Troubles) -> None:
        self._root, self._troubles = root, troubles
        self.overwritten: set[str] = set()

    def create(self, path: str, data: bytes) -> bool:
        """Write what must not exist."""
        with self._disk():
            return folder_objects.create(self._root + path, data)

    def put(self, path: str, data: bytes, mark: str = "") -> None:
        """Write it, whether it exists or not."""
        with self._disk():
            folder_objects.put(self._root + path, data, mark)

    def read(self, path: str) -> bytes | None:
        """Return the content, None where there is none."""
        return folder_objects.read(self._root + path)

    def delete(self, path: str) -> bool:
        """Delete it; return False where there was none."""
        return folder_objects.delete(self._root + path)

    def update(self, path: str, change: Callable[[bytes | None], bytes | None]) -> bool:
        """Replace it by what `change` makes of it."""
        with self._disk():
            return folder_objects.update(self._root + path, change)

    def listed(self, path: str, suffix: str) -> Iterator[Listed]:
        """Yield what is below a folder, or the object of this name, in order."""
        for found in folder_objects.listed(self._root + path, suffix):
            yield found._replace(path=found.path[len(self._root) :])

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders in a folder."""
        return folder_objects.folders(self._root + path)

    def _disk(self) -> "_Disk":
        return _Disk(self._troubles)


class _Disk:
    """While it is entered, what `folder_objects` writes goes to a disk that may be full."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles

    def __enter__(self) -> None:
        vars(folder_objects)["open"] = self._open

    def __exit__(self, *_: object) -> None:
        del vars(folder_objects)["open"]

    def _open(self, path: Any, mode: str = "r") -> Any:
        file = open(path, mode)  # noqa: SIM115 (whoever asked for it closes it)
        if "b" in mode and "r" not in mode and self._troubles.strikes(Kind.FULL_DISK):
            # Half of it was written when the disk was full.
            os.write(file.fileno(), b"\0" * 7)
            file.close()
            raise _full(path)
        return file


def _full(path: str) -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", path)
