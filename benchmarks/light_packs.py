"""Lines to packs with nothing but what dedupe needs: for those who have no contracts.

The content of a line is compared by its CRC-32, as a stream does by 4 bytes of a digest.
"""

import zlib
from collections import defaultdict
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

_MAX_ROWS = 4_096


class Envelope(msgspec.Struct, gc=False):
    """The fields of an event that a count needs."""

    event_id: str
    event_type: str
    event_timestamp: datetime


class PackLines(beam.DoFn):
    """`RawPack` -> (shard, `EventPack`); a row's payload is what `payload_of` makes of the event.

    Packs are gathered over the bundle: the fewer the elements, the less Beam has to do.
    """

    def __init__(self, shards: int, payload_of: Callable[[Envelope, int], bytes]) -> None:
        self._shards = shards
        self._payload_of = payload_of

    def setup(self) -> None:
        """Compile the decoder."""
        self._decode = msgspec.json.Decoder(Envelope).decode

    def start_bundle(self) -> None:
        """Begin with no packs."""
        self._open = defaultdict(lambda: EventPack([], [], [], RawPack([])))

    def process(self, lines: RawPack) -> Iterator[WindowedValue]:
        """Add each line to the pack of its shard."""
        decode, payload_of, shards, packs = self._decode, self._payload_of, self._shards, self._open
        for line in lines.payloads:
            event = decode(line)
            identity = blake2b(event.event_id.encode(), digest_size=16).digest()
            seconds = int(event.event_timestamp.timestamp())
            pack = packs[int.from_bytes(identity[:8], "big") % shards]
            pack.ids.append(identity)
            pack.contents.append(zlib.crc32(line).to_bytes(4, "big"))
            pack.event_times.append(seconds * 1_000_000)
            pack.raw.payloads.append(payload_of(event, seconds))
        for shard in [shard for shard, pack in packs.items() if len(pack) >= _MAX_ROWS]:
            yield _closed(shard, packs.pop(shard))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give out what is left."""
        for shard, pack in self._open.items():
            yield _closed(shard, pack)
        self._open.clear()


def _closed(shard: int, pack: EventPack) -> WindowedValue:
    return WindowedValue((shard, pack), MIN_TIMESTAMP, (GlobalWindow(),))
