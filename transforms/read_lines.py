"""Read newline-delimited files as packs of raw events."""

import io
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

from schemas.line_ids import digest_of_file, line_ids
from schemas.packs import RawPack
from transforms.inflate import DAMAGES, STREAMS, Inflated

__all__ = [
    "BLOCK_BYTES",
    "MOST_LINE_BYTES",
    "ReadLines",
    "UnreadableFileError",
    "blocks",
    "is_compressed",
    "lines_between",
]

BLOCK_BYTES = 64 * 1024
"""About the size of a pack of lines; ids tell places by blocks of it."""

MOST_LINE_BYTES = 64 * 1024 * 1024
"""Of one line: a file without line ends, however large it inflates, is not taken into memory."""

# The error of bz2 for damage is a plain `OSError`.
_DAMAGED = (EOFError, *DAMAGES, OSError)


class UnreadableFileError(RuntimeError):
    """A file cannot be read, or is compressed and damaged or cut: one line that names it."""


class _LongLineError(ValueError):
    """A line is longer than any that is read."""


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
        position = first * size - 1 + _passed_over(file, size)
    while True:
        block = position // size
        data = file.read((block + 1) * size - position)
        if not data:
            return
        if not data.endswith(b"\n"):
            data += _rest_of_line(file)
        position += len(data)
        yield block * size, _lines(data)


def _passed_over(file: BinaryIO, size: int) -> int:
    """Read to the end of a line that another reader reads; return its length from here."""
    length = 0
    while part := file.readline(size):
        length += len(part)
        if part.endswith(b"\n"):
            break
    return length


def _rest_of_line(file: BinaryIO) -> bytes:
    rest = file.readline(MOST_LINE_BYTES + 1)
    if len(rest) > MOST_LINE_BYTES:
        raise _LongLineError
    return rest


def is_compressed(file_name: str) -> bool:
    """Return whether a file is inflated when it is read, and so read whole.

    >>> is_compressed("a.ndjson.gz"), is_compressed("a.ndjson")
    (True, False)
    """
    return CompressionTypes.detect_compression_type(file_name) in STREAMS


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
    except _LongLineError:
        msg = (
            f"{file_name}: a line of more than {MOST_LINE_BYTES} bytes; break it up, or leave the "
            "file out"
        )
        raise UnreadableFileError(msg) from None


def _open(file_name: str) -> Any:
    """Open a file to be read; Beam's own inflating takes a cut file for a whole one."""
    kind = CompressionTypes.detect_compression_type(file_name)
    if kind not in STREAMS:
        return FileSystems.open(file_name)
    raw = FileSystems.open(file_name, compression_type=CompressionTypes.UNCOMPRESSED)
    return io.BufferedReader(Inflated(raw, STREAMS[kind]))


def _told(file_name: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"{file_name}: cannot be read ({error.strerror}); check the file and its permissions"
    return f"{file_name}: damaged or cut ({type(error).__name__}); replace the file"


def _lines(data: bytes) -> list[bytes]:
    # To look for one byte takes an eighth of the time of looking for two.
    if b"\r" in data and b"\r\n" in data:
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
    file that is damaged or cut, one with a line of more than `MOST_LINE_BYTES`, or any that cannot
    be read, fails the job with the one line of `UnreadableFileError`. Memory is bounded by one
    line, whatever a file inflates to.

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
