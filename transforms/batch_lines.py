"""Reads files as batches for the archive: the lines of a part of them are a batch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import PBegin, PCollection

from schemas.line_ids import digest_of_file
from transforms.batch_messages import Batch
from transforms.read_lines import BLOCK_BYTES, is_compressed, lines_between
from transforms.split_by_hour import Gathered, HourBuffer

__all__ = ["BatchLines", "Part", "Sized", "cut_files"]

_END = 2**63 - 1
# How many times as large lines of events are when they are inflated, about.
_INFLATED = 8

Part = list[tuple[str, int, int]]
"""Files, and of each the offsets at which its part begins and ends."""


class Sized(NamedTuple):
    """A file, its size in bytes, and whether it can only be read as a whole."""

    name: str
    size: int
    whole: bool


@dataclass
class BatchLines(beam.PTransform[PBegin, PCollection[Batch]]):
    """Files -> PCollection[(start of the hour of `now` in microseconds, RawPack)].

    Each line is a message without attributes, its publish time is `now`, and its message id tells
    its place (`schemas.line_ids`); blank lines are skipped. The files are laid end to end, in the
    order of the digests of their paths, and cut into parts of half of `max_bytes`. The lines that
    begin in a part are a batch, in the order of their ids, or more batches where they are so short
    that what is counted beside them (`BatchMessages`) makes them more than `max_bytes`. Compressed
    files are not cut: one is a part, or small ones together are, and its lines are cut by size.

    Only the names of parts are shuffled, so the files take no memory but that of one batch at a
    time. Which parts there are depends on the files alone, and a part that is read again makes the
    same batches again, whatever the bundles, as long as nobody writes to its files.

    Errors: a pattern that matches no file raises `OSError` when the pipeline is built; a file that
    is damaged, cut or cannot be read fails the job (`ReadLines`).

    Args:
        pattern: a path or glob, local or `gs://`.
        now: the publish time, in microseconds.
        max_bytes: size of a batch.
    """

    pattern: str
    now: int
    max_bytes: int = 32_000_000

    def __post_init__(self) -> None:
        """Check the size."""
        if self.max_bytes < 1:
            msg = f"max_bytes={self.max_bytes}: give a number above 0"
            raise ValueError(msg)

    def expand(self, pbegin: PBegin) -> PCollection[Batch]:
        """Cut the files into parts and read each."""
        # Said at the launch; a worker looks for all of them.
        _matching(self.pattern, at_most=1)
        batch = beam.FlatMap(_batches, self.now, self.max_bytes)
        return (
            pbegin
            | "NamePattern" >> beam.Create([self.pattern])
            | "CutFiles" >> beam.FlatMap(_parts, self.max_bytes).with_output_types(Part)
            | "Settle" >> beam.Reshuffle()
            | "BatchParts" >> batch.with_output_types(Batch)
        )


def cut_files(files: Iterable[Sized], part_bytes: int, block_bytes: int) -> Iterator[Part]:
    """Yield the files as parts of about equal size; each byte is in one part.

    >>> list(cut_files([Sized("a", 5, False), Sized("b", 30, False)], 20, 10))
    [[('a', 0, 5), ('b', 0, 20)], [('b', 20, 30)]]

    Args:
        files: in the order that their lines are to have.
        part_bytes: of a part, at most one block less or more, but of the last one.
        block_bytes: what files are cut at multiples of.
    """
    part: Part = []
    size = 0
    for file in files:
        start = 0
        while start < file.size:
            room = -(-(part_bytes - size) // block_bytes) * block_bytes
            stop = file.size if file.whole else min(start + room, file.size)
            part.append((file.name, start, _END if file.whole else stop))
            size += (stop - start) * (_INFLATED if file.whole else 1)
            start = stop
            if size >= part_bytes:
                yield part
                part, size = [], 0
    if part:
        yield part


def _matching(pattern: str, at_most: int | None = None) -> list[Sized]:
    [found] = FileSystems.match([pattern], [at_most])
    if not found.metadata_list:
        msg = "no such file"
        raise FileNotFoundError(msg)
    files = [
        Sized(file.path, file.size_in_bytes, is_compressed(file.path))
        for file in found.metadata_list
    ]
    return sorted(files, key=lambda file: digest_of_file(file.name))


def _parts(pattern: str, max_bytes: int) -> Iterator[Part]:
    part_bytes = max(max_bytes // 2, BLOCK_BYTES)
    return cut_files(_matching(pattern), part_bytes, BLOCK_BYTES)


def _batches(part: Part, now: int, max_bytes: int) -> Iterator[Batch]:
    buffer = HourBuffer(1, max_bytes, max_bytes)
    for name, start, stop in part:
        for pack in lines_between(name, start, stop):
            # No name for what is given away: it would be kept until the next batch is full.
            yield from map(_batch, buffer.add(pack, now))
    yield from map(_batch, buffer.drain())


def _batch(gathered: Gathered) -> Batch:
    return gathered.key[0], gathered.pack
