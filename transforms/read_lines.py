"""Read newline-delimited files as packs of raw events."""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import apache_beam as beam
from apache_beam.io import Read
from apache_beam.io.filebasedsource import FileBasedSource
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.range_trackers import OffsetRangeTracker
from apache_beam.pvalue import PBegin, PCollection

from schemas.packs import RawPack

__all__ = ["ReadLines", "UnreadableFileError", "blocks"]

_BLOCK_BYTES = 64 * 1024
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


class UnreadableFileError(RuntimeError):
    """A compressed file is damaged or cut: one line that names it."""


def blocks(file: BinaryIO, first: int, size: int) -> Iterator[tuple[int, list[bytes]]]:
    r"""Yield (offset of a block, the lines that begin in it) from block number `first` on.

    A line belongs to the block that holds its first byte, however far it reaches; blocks in which
    no line begins are passed over. So readers that own disjoint blocks read every line once.

    >>> import io
    >>> list(blocks(io.BytesIO(b"ab\n\ncdefgh\r\nij"), 0, 4))
    [(0, [b'ab']), (4, [b'cdefgh']), (12, [b'ij'])]
    """
    position = 0
    if first:
        file.seek(first * size - 1)
        position = first * size - 1 + len(file.readline())
    while True:
        block = position // size
        data = file.read((block + 1) * size - position)
        if not data:
            return
        if not data.endswith(b"\n"):
            data += file.readline()
        position += len(data)
        yield block * size, _lines(data)


def _lines(data: bytes) -> list[bytes]:
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    return [line for line in data.split(b"\n") if line and not line.isspace()]


class _BlockSource(FileBasedSource):
    """Split points are the offsets of blocks; a compressed file is read whole by one reader."""

    def __init__(self, pattern: str, block_bytes: int) -> None:
        super().__init__(pattern, min_bundle_size=block_bytes)
        self._block_bytes = block_bytes

    def read_records(self, file_name: str, range_tracker: OffsetRangeTracker) -> Iterator[RawPack]:
        first = -(-range_tracker.start_position() // self._block_bytes)
        try:
            with self._open(file_name) as file:
                for offset, lines in blocks(file, first, self._block_bytes):
                    if not range_tracker.try_claim(offset):
                        return
                    if lines:
                        yield RawPack(lines)
        except _DAMAGED as error:
            msg = f"{file_name}: damaged or cut ({type(error).__name__}); replace the file"
            raise UnreadableFileError(msg) from None

    def _open(self, file_name: str) -> Any:
        """Open a file to be read; Beam's own inflating takes a cut file for a whole one."""
        kind = CompressionTypes.detect_compression_type(file_name)
        if kind not in (CompressionTypes.GZIP, CompressionTypes.BZIP2):
            return self.open_file(file_name)
        raw = FileSystems.open(file_name, compression_type=CompressionTypes.UNCOMPRESSED)
        return gzip.GzipFile(fileobj=raw) if kind == CompressionTypes.GZIP else bz2.BZ2File(raw)

    def output_type_hint(self) -> type[RawPack]:
        return RawPack


@dataclass
class ReadLines(beam.PTransform[PBegin, PCollection[RawPack]]):
    """Files -> packs of their lines, undecoded, without line ends; blank lines are skipped.

    Lines carry no publish time, message id or attributes. Order within a pack is that of the file;
    packs come in any order. `.gz`, `.bz2` and `.zst` files are inflated and not split.

    Errors: a pattern that matches no file raises `OSError` when the pipeline is built; a compressed
    file that is damaged or cut fails the job with the one line of `UnreadableFileError`.

    Args:
        pattern: a path or glob, local or `gs://`.
        block_bytes: about the size of a pack.
    """

    pattern: str
    block_bytes: int = _BLOCK_BYTES

    def __post_init__(self) -> None:
        if self.block_bytes < 1:
            msg = f"block_bytes={self.block_bytes}: give at least 1"
            raise ValueError(msg)

    def expand(self, pbegin: PBegin) -> PCollection[RawPack]:
        """Read all matching files."""
        packs: Any = pbegin | "ReadBlocks" >> Read(_BlockSource(self.pattern, self.block_bytes))
        return packs
