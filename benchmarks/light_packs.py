"""Lines to packs with nothing but what dedupe needs: for those who have no contracts.

The content of a line is compared by its CRC-32, as a stream does by 4 bytes of a digest.
"""

import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import blake2b

import apache_beam as beam
import msgspec
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from schemas.packs import EventPack, RawPack

__all__ = ["Envelope", "PackLines"]

_MAX_ROWS = 16_384


class Envelope(msgspec.Struct, gc=False):
    """The fields of an event that a count needs."""

    event_id: str
    event_type: str
    event_timestamp: datetime


class PackLines(beam.DoFn):
    """`RawPack` -> (0, `EventPack`); a row's payload is what `payload_of` makes of the event.

    Packs are gathered over the bundle: the fewer the elements, the less Beam has to do. Dedupe
    brings the rows to their shards.
    """

    def __init__(self, payload_of: Callable[[Envelope, int], bytes]) -> None:
        self._payload_of = payload_of

    def setup(self) -> None:
        """Compile the decoder."""
        self._decode = msgspec.json.Decoder(Envelope).decode

    def start_bundle(self) -> None:
        """Begin with an empty pack."""
        self._open = EventPack([], [], [], RawPack([]))

    def process(self, lines: RawPack) -> Iterator[WindowedValue]:
        """Add the lines to the pack, column by column."""
        events = [self._decode(line) for line in lines.payloads]
        seconds = [int(event.event_timestamp.timestamp()) for event in events]
        pack = self._open
        pack.ids += [blake2b(e.event_id.encode(), digest_size=16).digest() for e in events]
        pack.contents += [zlib.crc32(line).to_bytes(4, "big") for line in lines.payloads]
        pack.event_times += [second * 1_000_000 for second in seconds]
        pack.raw.payloads += map(self._payload_of, events, seconds)
        if len(pack) >= _MAX_ROWS:
            self.start_bundle()
            yield _closed(pack)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give out what is left."""
        yield _closed(self._open)


def _closed(pack: EventPack) -> WindowedValue:
    return WindowedValue((0, pack), MIN_TIMESTAMP, (GlobalWindow(),))
