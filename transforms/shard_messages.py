"""Brings messages, undecoded, to the shard of their event id: where batch looks for copies."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from schemas.compression import ENCODING
from schemas.contract import Contracts
from schemas.decoder import Decoder
from schemas.events import RawEvent
from schemas.packs import RawPack
from schemas.refusal import Refusal
from schemas.sealed_packs import encoded, head_of, sealed
from transforms.counters import counter
from transforms.garbage import settle
from transforms.work_beside import WorkBeside

__all__ = ["ShardMessages", "heads_of_messages"]

_MAX_ROWS = 500
_MAX_BYTES = 2_000_000
_MOST_OPEN = 4
_NO_ATTRIBUTES: dict[str, str] = {}
_UNREADABLE = (ValueError, msgspec.DecodeError, RecursionError)

_Sealed = tuple[int, bytes]


class _Id(msgspec.Struct, gc=False):
    event_id: str


_read_id = msgspec.json.Decoder(_Id).decode


@dataclass
class ShardMessages(beam.PTransform[PCollection[RawPack], PCollection[tuple[int, bytes]]]):
    """PCollection[RawPack] -> PCollection[(shard, sealed pack)]; bounded input.

    Of each message only the event id is read: all that contracts accept and that have an id in
    common come to one shard. What has none that can be read goes anywhere, to be refused there.
    Each bundle gathers by shard, in order of arrival, into packs of up to 500 messages or about
    2 MB. A repeated bundle gives the same packs. Counter: `read`.

    Args:
        contracts: of all event types.
        shards: how many there are.
        max_event_bytes: the largest payload, as received and inflated.
    """

    contracts: Contracts
    shards: int = 16
    max_event_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        for name in ("shards", "max_event_bytes"):
            if getattr(self, name) < 1:
                msg = f"{name} is {getattr(self, name)}; give 1 or more"
                raise ValueError(msg)

    def expand(self, packs: PCollection[RawPack]) -> PCollection[tuple[int, bytes]]:
        """Gather bundle by bundle."""
        gathering = beam.ParDo(_Gather(self)).with_output_types(tuple[int, bytes])
        return packs | "GatherByShard" >> gathering


class _Gather(beam.DoFn):
    """Holds the messages of a bundle by shard."""

    def __init__(self, given: ShardMessages) -> None:
        self._given = given
        self._read = counter("read")

    def setup(self) -> None:
        settle()
        given = self._given
        self._decoder = Decoder(given.contracts, max_event_bytes=given.max_event_bytes)
        self._beside: WorkBeside[_Sealed] = WorkBeside(_MOST_OPEN)

    def start_bundle(self) -> None:
        self._beside.begin()
        # Messages of a bundle that failed must not leave with the next one.
        self._open: dict[int, _Shard] = {}

    def process(self, element: RawPack) -> Iterator[_Sealed]:
        self._read.inc(len(element))
        shards, opened = self._given.shards, self._open
        heads = heads_of_messages(element, self._decoder)
        payloads = element.payloads
        messages: Sequence[RawEvent | bytes] = payloads
        if not _is_bare(element):
            messages = [element.row(place) for place in range(len(element))]
        for head, payload, message in zip(heads, payloads, messages, strict=True):
            shard = head % shards
            held = opened.get(shard)
            if held is None:
                held = opened[shard] = _Shard()
            held.heads.append(head)
            held.messages.append(message)
            held.size += len(payload)
            if held.size >= _MAX_BYTES or len(held.heads) >= _MAX_ROWS:
                yield from self._seal(shard, opened.pop(shard))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for shard, held in self._open.items():
            for packed in self._seal(shard, held):
                yield WindowedValue(packed, MIN_TIMESTAMP, [GlobalWindow()])
        for packed in self._beside.drain():
            yield WindowedValue(packed, MIN_TIMESTAMP, [GlobalWindow()])

    def teardown(self) -> None:
        self._beside.close()

    def _seal(self, shard: int, held: "_Shard") -> Iterator[_Sealed]:
        """Compress beside; return what is done."""
        heads, pack = held.heads, encoded(_raw(held.messages))
        return self._beside.put(lambda: (shard, sealed(heads, pack)))


def heads_of_messages(pack: RawPack, decoder: Decoder) -> list[int]:
    """Return a number for each message that those of one event id share (`head_of`).

    Of what the decoder refuses it may be any. It takes most messages at a glance, and the decoder
    for the others.
    """
    if not pack.attributes:
        try:
            return [head_of(_read_id(payload).event_id) for payload in pack.payloads]
        except _UNREADABLE:
            pass  # One of them is none of the usual: each is looked at by itself.
    attributes = pack.attributes or [_NO_ATTRIBUTES] * len(pack)
    columns = zip(pack.payloads, attributes, strict=True)
    return [_head(payload, about, decoder) for payload, about in columns]


def _head(payload: bytes, attributes: Mapping[str, str], decoder: Decoder) -> int:
    if ENCODING not in attributes:
        try:
            return head_of(_read_id(payload).event_id)
        except _UNREADABLE:
            pass  # Perhaps only in a field that the contract does not know.
    reading = decoder.read(payload, attributes, None)
    # What is refused has no copies, but has to be somewhere.
    return zlib.crc32(payload) if isinstance(reading, Refusal) else head_of(reading[0].event_id)


class _Shard:
    """Messages of one shard that have not left yet; bytes where nothing else is known of them."""

    __slots__ = ("heads", "messages", "size")

    def __init__(self) -> None:
        self.heads: list[int] = []
        self.messages: list[RawEvent | bytes] = []
        self.size = 0


def _raw(messages: list[RawEvent | bytes]) -> RawPack:
    payloads = [each for each in messages if isinstance(each, bytes)]
    if len(payloads) == len(messages):
        return RawPack(payloads)
    return RawPack.of(RawEvent(each) if isinstance(each, bytes) else each for each in messages)


def _is_bare(raw: RawPack) -> bool:
    columns = (raw.publish_times, raw.message_ids, raw.attributes, raw.ordering_keys)
    return all(column is None for column in columns)
