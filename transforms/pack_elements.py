"""Pack elements of any type as rows that dedupe understands, and unpack them again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam import coders
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow, GlobalWindows, TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas.events import Event, RawEvent
from schemas.packs import EventPack, RawPack
from transforms.key_packs import shard_of

__all__ = ["ElementRows", "PackElements", "UnpackElements", "digest"]

_MAX_ROWS = 512
_MAX_BYTES = 1024 * 1024
_END = b"\0\0"
_OFFSET = 1 << 63
_ENCODE = msgspec.msgpack.Encoder(order="deterministic").encode


def digest(value: object) -> bytes:
    """Return the 16-byte digest of a key; of a `str` it is that of its UTF-8 bytes.

    >>> digest("e1") == digest("e1"), digest("1") == digest(1)
    (True, False)
    """
    encoded = (
        value.encode("utf-8", "surrogatepass")
        if isinstance(value, str)
        else b"\xff" + _ENCODE(value)
    )
    return blake2b(encoded, digest_size=16).digest()


@dataclass
class ElementRows:
    """How one element becomes a row: id, content, event time and the message to keep.

    Of an `Event` the message's own columns are kept, so that batch chooses as it does for packs.
    """

    coder: coders.Coder
    kind: Any
    key: Callable[[Any], object]
    event_time: Callable[[Any], int] | None
    content: Callable[[Any], bytes] | None
    publish_time: Callable[[Any], int | None] | None

    @classmethod
    def of(
        cls,
        kind: Any,
        key: Callable[[Any], object] | None,
        event_time: Callable[[Any], int] | None,
        content: Callable[[Any], bytes] | None,
        publish_time: Callable[[Any], int | None] | None,
    ) -> "ElementRows":
        """Fill in what an element's type says."""
        coder = coders.registry.get_coder(kind)
        return cls(coder, kind, key or _event_id, event_time, content, publish_time)

    def identity(self, element: Any) -> bytes:
        """Return the 16-byte digest of the element's id."""
        return digest(self.key(element))

    def content_digest(self, element: Any) -> bytes:
        """Return the 16-byte digest that copies have in common."""
        if self.content is not None:
            return blake2b(self.content(element), digest_size=16).digest()
        if isinstance(element, Event) and len(element.content) == 16:
            return element.content
        return blake2b(self._canonical(element), digest_size=16).digest()

    def time(self, element: Any, timestamp: int) -> int:
        """Return the event time in microseconds."""
        if self.event_time is not None:
            return int(self.event_time(element))
        return element.event_time if isinstance(element, Event) else timestamp

    def message(self, element: Any, timestamp: int) -> RawEvent:
        """Return the element as a message; its bytes sort as those of an event's own message."""
        raw = element.raw if isinstance(element, Event) else RawEvent(b"", publish_time=timestamp)
        if self.publish_time is not None:
            raw = msgspec.structs.replace(raw, publish_time=self.publish_time(element))
        moment = (timestamp + _OFFSET).to_bytes(8, "big")
        ordered = raw.payload.replace(b"\0", b"\0\1") + _END
        payload = ordered + moment + self.coder.encode(element)
        return msgspec.structs.replace(raw, payload=payload)

    def element(self, payload: bytes) -> TimestampedValue:
        """Return the element of a message with the timestamp that it had."""
        start = payload.index(_END) + len(_END)
        moment = int.from_bytes(payload[start : start + 8], "big") - _OFFSET
        return TimestampedValue(self.coder.decode(payload[start + 8 :]), Timestamp(micros=moment))

    def _canonical(self, element: Any) -> bytes:
        if isinstance(element, Event):
            return element.content
        try:
            return _ENCODE(element)
        except (TypeError, OverflowError, ValueError):
            # Not a plain value: its coder has to tell two elements apart.
            encoded: bytes = self.coder.encode(element)
            return encoded


def _event_id(element: Any) -> str:
    if not isinstance(element, Event):
        msg = f"{type(element).__name__} is no Event: give Deduplicate a key function"
        raise TypeError(msg)
    return element.event_id


@dataclass
class _Open:
    """A pack that is being filled."""

    timestamp: Any
    ids: list[bytes] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    event_times: list[int] = field(default_factory=list)
    messages: list[RawEvent] = field(default_factory=list)
    size: int = 0

    def is_full(self) -> bool:
        return len(self.ids) >= _MAX_ROWS or self.size >= _MAX_BYTES

    def close(self, shard: int) -> WindowedValue:
        pack = EventPack(self.ids, self.contents, self.event_times, RawPack.of(self.messages))
        return WindowedValue((shard, pack), self.timestamp, (GlobalWindow(),))


class _Pack(beam.DoFn):
    def __init__(self, rows: ElementRows, shards: int) -> None:
        self._rows = rows
        self._shards = shards

    def start_bundle(self) -> None:
        self._open: dict[int, _Open] = {}

    def process(
        self, element: Any, timestamp: Any = beam.DoFn.TimestampParam
    ) -> Iterator[WindowedValue]:
        identity = self._rows.identity(element)
        shard = shard_of(identity, self._shards)
        pack = self._open.get(shard)
        if pack is None:
            pack = self._open[shard] = _Open(timestamp)
        self._add(pack, identity, element, timestamp)
        if pack.is_full():
            yield self._open.pop(shard).close(shard)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for shard, pack in self._open.items():
            yield pack.close(shard)
        self._open = {}

    def _add(self, pack: _Open, identity: bytes, element: Any, timestamp: Any) -> None:
        micros = timestamp.micros
        message = self._rows.message(element, micros)
        pack.ids.append(identity)
        pack.contents.append(self._rows.content_digest(element))
        pack.event_times.append(self._rows.time(element, micros))
        pack.messages.append(message)
        pack.size += len(message.payload)
        pack.timestamp = min(pack.timestamp, timestamp)


@dataclass
class PackElements(beam.PTransform[PCollection[Any], PCollection[tuple[int, EventPack]]]):
    """Elements -> (shard, pack of at most 512 rows or about 1 MB), per bundle.

    Packs are in the global window, at the earliest timestamp of their elements; rows in the order
    of the elements.

    Args:
        rows: how an element becomes a row.
        shards: how many shards there are.
    """

    rows: ElementRows
    shards: int

    def expand(self, elements: PCollection[Any]) -> PCollection[tuple[int, EventPack]]:
        """Leave the window, then pack."""
        if elements.windowing.windowfn != GlobalWindows():
            elements = elements | "WindowGlobally" >> beam.WindowInto(GlobalWindows())
        packs: Any = elements | "Pack" >> beam.ParDo(
            _Pack(self.rows, self.shards)
        ).with_output_types(tuple[int, EventPack])
        return packs


@dataclass
class UnpackElements(beam.PTransform[PCollection[EventPack], PCollection[Any]]):
    """Packs made by `PackElements` -> their elements, with the timestamps that they had.

    Args:
        rows: the same as the packs were made with.
    """

    rows: ElementRows

    def expand(self, packs: PCollection[EventPack]) -> PCollection[Any]:
        """Decode each row."""
        elements: Any = packs | "Unpack" >> beam.FlatMap(_unpack, self.rows).with_output_types(
            self.rows.kind
        )
        return elements


def _unpack(pack: EventPack, rows: ElementRows) -> Iterator[TimestampedValue]:
    for payload in pack.raw.payloads:
        yield rows.element(payload)
