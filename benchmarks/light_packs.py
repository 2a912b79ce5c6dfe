"""Lines to packs with nothing but what dedupe needs: for those who have no contracts.

The content of a line is compared by its CRC-32C, as a stream does by 4 bytes of a digest.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Annotated

import apache_beam as beam
import msgspec
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue
from google_crc32c import value as check

from schemas.content import id_digest
from schemas.packs import EventPack, RawPack
from transforms.garbage import settle

__all__ = ["Envelope", "PackLines", "PayloadsOf"]

_MAX_ROWS = 16_384
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAY = 86_400
_SECOND = 1_000_000


class Envelope(msgspec.Struct, gc=False):
    """The fields of an event that a count needs."""

    event_id: str
    event_type: str
    event_timestamp: Annotated[datetime, msgspec.Meta(tz=True)]


PayloadsOf = Callable[[list[Envelope]], list[bytes]]


class PackLines(beam.DoFn):
    """`RawPack` -> (0, `EventPack`); the rows' payloads are what `payloads_of` makes of the events.

    Event times are whole seconds. Packs are gathered over the bundle: the fewer the elements, the
    less Beam has to do. Dedupe brings the rows to their shards.

    Errors: a line that is no event, or whose time has no offset, raises `msgspec.DecodeError`.
    """

    def __init__(self, payloads_of: PayloadsOf) -> None:
        self._payloads_of = payloads_of

    def setup(self) -> None:
        """Compile the decoder."""
        settle()
        self._decode = msgspec.json.Decoder(Envelope).decode

    def start_bundle(self) -> None:
        """Begin with an empty pack."""
        self._open = EventPack([], [], [], RawPack([]))

    def process(self, lines: RawPack) -> Iterator[WindowedValue]:
        """Add the lines to the pack, column by column."""
        events = list(map(self._decode, lines.payloads))
        pack = self._open
        pack.ids += [id_digest(event.event_id) for event in events]
        pack.contents += [check(line).to_bytes(4, "big") for line in lines.payloads]
        # A difference of times has its days and seconds at hand.
        pack.event_times += [
            (_DAY * (span := event.event_timestamp - _EPOCH).days + span.seconds) * _SECOND
            for event in events
        ]
        pack.raw.payloads += self._payloads_of(events)
        if len(pack) >= _MAX_ROWS:
            self.start_bundle()
            yield _closed(pack)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Give out what is left."""
        yield _closed(self._open)


def _closed(pack: EventPack) -> WindowedValue:
    return WindowedValue((0, pack), MIN_TIMESTAMP, (GlobalWindow(),))
