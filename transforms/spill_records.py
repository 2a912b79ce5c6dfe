"""Records of one size in parts by their key: in memory while they are few, else on the disk."""

import pathlib
from collections.abc import Iterator
from struct import Struct
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

__all__ = ["SpilledRecords"]

_PARTS = 256


class SpilledRecords:
    """A context that takes records whose first field is a key of 16 even bytes, such as a digest.

    Records of equal keys come back together, with about a 256th of all others, in the order in
    which they were added. Beyond `most_held` bytes they wait in files of a folder of their own,
    which goes with the context.

    >>> with SpilledRecords(Struct("16sB"), most_held=20) as records:
    ...     records.add(bytes(16), 1)
    ...     records.add(bytes(16), 2)
    ...     [[number for _, number in part] for part in records.parts()]
    [[1, 2]]
    """

    def __init__(self, form: Struct, most_held: int = 64_000_000) -> None:
        self._form = form
        self._most_held = most_held
        self._held = [bytearray() for _ in range(_PARTS)]
        self._size = 0

    def __enter__(self) -> "SpilledRecords":
        self._folder = TemporaryDirectory(prefix="penstock-")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def add(self, key: bytes, *fields: Any) -> None:
        """Add a record."""
        self._held[key[0]] += self._form.pack(key, *fields)
        self._size += self._form.size
        if self._size > self._most_held:
            self._spill()

    def parts(self) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the records part by part; one part is in memory at a time. Empty parts are not."""
        for part, held in enumerate(self._held):
            file = self._file(part)
            content = (file.read_bytes() if file.exists() else b"") + held
            if content:
                yield list(self._form.iter_unpack(content))

    def _spill(self) -> None:
        for part, held in enumerate(self._held):
            with self._file(part).open("ab") as file:
                file.write(held)
            held.clear()
        self._size = 0

    def _file(self, part: int) -> pathlib.Path:
        return pathlib.Path(self._folder.name, f"{part:03d}")
