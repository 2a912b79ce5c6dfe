"""Read newline-delimited files as packs of raw events."""

import bz2
import functools
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import apache_beam as beam
import zstandard
from apache_beam.io import Read
from apache_beam.io.filebasedsource import FileBasedSource
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.range_trackers import OffsetRangeTracker
from apache_beam.pvalue import PBegin, PCollection

from schemas.line_ids import digest_of_file, line_ids
from schemas.packs import RawPack

__all__ = [
    "BLOCK_BYTES",
    "ReadLines",
    "UnreadableFileError",
    "blocks",
    "is_compressed",
    "lines_between",
]

BLOCK_BYTES = 64 * 1024
"""About the size of a pack of lines; ids tell places by blocks of it."""

_STREAMS: dict[str, Callable[[], Any]] = {
    CompressionTypes.GZIP: functools.partial(zlib.decompressobj, 16 + zlib.MAX_WBITS),
    CompressionTypes.DEFLATE: zlib.decompressobj,
    CompressionTypes.BZIP2: bz2.BZ2Decompressor,
    CompressionTypes.LZMA: lzma.LZMADecompressor,
    CompressionTypes.ZSTD: lambda: zstandard.ZstdDecompressor().decompressobj(),
}
# The error of bz2 for damage is a plain `OSError`.
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError)


class UnreadableFileError(RuntimeError):
    """A file cannot be read, or is compressed and damaged or cut: one line that names it."""


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


class _Inflated(io.RawIOBase):
    """A compressed file as its plain bytes, all members of it; a cut one raises `EOFError`."""

    def __init__(self, packed: BinaryIO, stream: Callable[[], Any]) -> None:
        self._packed, self._stream = packed, stream
        self._member: Any = None
        self._begun = False
        self._rest = b""
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._plain:
            self._plain = memoryview(self._inflate())
        taken = min(len(buffer), len(self._plain))
        buffer[:taken], self._plain = self._plain[:taken], self._plain[taken:]
        return taken

    def _inflate(self) -> bytes:
        while True:
            packed, self._rest = self._rest or self._packed.read(BLOCK_BYTES), b""
            if self._member is None:
                if not packed:
                    return b""
                # Zeros between and behind members are padding; no member begins with one.
                packed = packed.lstrip(b"\0") if self._begun else packed
                if not packed:
                    continue
                self._member, self._begun = self._stream(), True
            elif not packed:
                raise EOFError
            plain: bytes = self._member.decompress(packed)
            if self._member.eof:
                self._rest, self._member = self._member.unused_data, None
            if plain:
                return plain

    def close(self) -> None:
        self._packed.close()
        super().close()


def is_compressed(file_name: str) -> bool:
    """Return whether a file is inflated when it is read, and so read whole.

    >>> is_compressed("a.ndjson.gz"), is_compressed("a.ndjson")
    (True, False)
    """
    return CompressionTypes.detect_compression_type(file_name) in _STREAMS


def lines_between(
    file_name: str, start: int, stop: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[RawPack]:
    """Yield the lines of the blocks that begin in a part of a file, in order, each with its id.

    Parts that meet read every line once. The id tells the line's place (`schemas.line_ids`), is the
    same whenever the file is read with the same `block_bytes`, and no other line has it.

    Raises:
        UnreadableFileError: as `ReadLines`.

    Args:
        file_name: of a compressed file, which has one part only, offsets are of its plain bytes.
        start: of the part; a multiple of `block_bytes`.
        stop: of the part, not in it.
        block_bytes: as `ReadLines` has it.
    """
    digest = digest_of_file(file_name)
    for offset, lines in _blocks_of(file_name, start, block_bytes):
        if offset >= stop:
            return
        if lines:
            yield RawPack(lines, message_ids=line_ids(digest, offset, len(lines)))


def _blocks_of(file_name: str, start: int, size: int) -> Iterator[tuple[int, list[bytes]]]:
    try:
        with _open(file_name) as file:
            yield from blocks(file, -(-start // size), size)
    except _DAMAGED as error:
        raise UnreadableFileError(_told(file_name, error)) from None


def _open(file_name: str) -> Any:
    """Open a file to be read; Beam's own inflating takes a cut file for a whole one."""
    kind = CompressionTypes.detect_compression_type(file_name)
    if kind not in _STREAMS:
        return FileSystems.open(file_name)
    raw = FileSystems.open(file_name, compression_type=CompressionTypes.UNCOMPRESSED)
    return io.BufferedReader(_Inflated(raw, _STREAMS[kind]))


def _told(file_name: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"{file_name}: cannot be read ({error.strerror}); check the file and its permissions"
    return f"{file_name}: damaged or cut ({type(error).__name__}); replace the file"


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
        start = range_tracker.start_position()
        for offset, lines in _blocks_of(file_name, start, self._block_bytes):
            if not range_tracker.try_claim(offset):
                return
            if lines:
                yield RawPack(lines)

    def output_type_hint(self) -> type[RawPack]:
        return RawPack


@dataclass
class ReadLines(beam.PTransform[PBegin, PCollection[RawPack]]):
    """Files -> packs of their lines, undecoded, without line ends; blank lines are skipped.

    Lines carry no publish time, no attributes and no message id (`BatchLines` gives them one).
    Order within a pack is that of the file; packs come in any order. Compressed files (`.gz`,
    `.bz2`, `.zst`, `.xz`, `.deflate`) are inflated and not split.

    Errors: a pattern that matches no file raises `OSError` when the pipeline is built; a compressed
    file that is damaged or cut, or any that cannot be read, fails the job with the one line of
    `UnreadableFileError`.

    Args:
        pattern: a path or glob, local or `gs://`.
        block_bytes: about the size of a pack.
    """

    pattern: str
    block_bytes: int = BLOCK_BYTES

    def __post_init__(self) -> None:
        if self.block_bytes < 1:
            msg = f"block_bytes={self.block_bytes}: give at least 1"
            raise ValueError(msg)

    def expand(self, pbegin: PBegin) -> PCollection[RawPack]:
        """Read all matching files."""
        source = _BlockSource(self.pattern, self.block_bytes)
        packs: Any = pbegin | "ReadBlocks" >> Read(source)
        return packs
