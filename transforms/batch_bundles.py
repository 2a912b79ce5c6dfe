"""Makes a batch for the archive of what a bundle holds, without a shuffle in between."""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow, TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas.packs import RawPack
from transforms.batch_messages import Batch
from transforms.split_by_hour import Gathered, HourBuffer

__all__ = ["BatchBundles"]


@dataclass
class BatchBundles(beam.PTransform[PCollection[RawPack], PCollection[Batch]]):
    """PCollection[RawPack] -> PCollection[(start of the hour in microseconds, RawPack)].

    What a bundle brings of an hour of publishing is a batch; all batches leave when together they
    hold `max_bytes`, and at the end of the bundle. There is no state and no shuffle, so an engine
    runs this in one stage with the source before it and the write behind it: a source that
    acknowledges when its bundle is committed does so after the write. A bundle that fails and is
    read again makes other batches, and a message may then be in two of them.

    A batch's timestamp is the least of those that its messages came with. A message without a
    publish time gets that of its element. Size is that of `BatchMessages`. Windows: global only.

    Args:
        max_bytes: size that the open batches of a bundle may have together.
    """

    max_bytes: int = 32_000_000

    def __post_init__(self) -> None:
        if self.max_bytes < 1:
            msg = f"max_bytes={self.max_bytes}: give a number above 0"
            raise ValueError(msg)

    def expand(self, packs: PCollection[RawPack]) -> PCollection[Batch]:
        """Gather bundle by bundle."""
        gather = beam.ParDo(_GatherBundle(self.max_bytes))
        return packs | "GatherBundles" >> gather.with_output_types(Batch)


class _GatherBundle(beam.DoFn):
    _buffer: HourBuffer

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def start_bundle(self) -> None:
        """Begin with nothing, also after a bundle that failed."""
        self._buffer = HourBuffer(1, self._max_bytes, self._max_bytes)

    def process(
        self, pack: RawPack, timestamp: Timestamp = beam.DoFn.TimestampParam
    ) -> Iterator[TimestampedValue]:
        """Add a pack; give out what is large enough with it."""
        for full in self._buffer.add(pack, timestamp.micros):
            yield TimestampedValue(_batch(full), Timestamp(micros=full.oldest))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give out the rest."""
        for rest in self._buffer.drain():
            yield WindowedValue(_batch(rest), Timestamp(micros=rest.oldest), (GlobalWindow(),))


def _batch(gathered: Gathered) -> Batch:
    return gathered.key[0], gathered.pack
