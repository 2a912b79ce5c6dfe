"""Pub/Sub's messages as they are serialised, which Beam decodes at twenty times their cost.

The one place that leans on what Beam does not promise: that its `ReadFromPubSub` reads serialised
messages, and decodes them in a step that can be left out. `leaves_out_decoding` finds out whether
that is still so before it is relied on; else Beam decodes, and nothing but the cost is different.
"""

import functools
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2

from schemas.packs import RawPack
from transforms.pubsub_columns import columns_of
from transforms.pubsub_wire import parse_entry, parse_one_by_one

__all__ = ["leaves_out_decoding", "raw_pack", "read_serialised"]

_MOST_KNOWN = 4_096
_WORTH_COLUMNS = 8
"""Messages from which on to read them together is quicker than one by one."""
_TRIAL = "projects/some-project/subscriptions/some-name"


def read_serialised(subscription: str, timestamp_attribute: str | None) -> ReadFromPubSub | None:
    """Return Beam's source without its decoding; None where it has none that can be left out.

    Its elements are serialised `google.pubsub.v1.PubsubMessage`s, for `raw_pack`. The direct
    runners put a source of their own in its place, which decodes.
    """
    if not leaves_out_decoding(ReadFromPubSub):
        return None
    return _without_decoding(ReadFromPubSub, subscription, timestamp_attribute)


@functools.cache
def leaves_out_decoding(source: Any) -> bool:
    """Return whether this class of source does what `read_serialised` needs of it, by trying it.

    It does if a pipeline with it asks the engine for messages with their attributes, and nothing
    but bytes leaves it.
    """
    try:
        pipeline = beam.Pipeline(options=PipelineOptions([]))
        output = pipeline | _without_decoding(source, _TRIAL, None)
        return output.element_type is bytes and _asks_for_attributes(pipeline)
    # What a class of another release may answer to being used like this.
    except (AssertionError, AttributeError, KeyError, NotImplementedError, TypeError, ValueError):
        return False


def raw_pack(serialised: Sequence[bytes]) -> RawPack:
    r"""Decode messages, in their order.

    The attributes of messages that have the same ones may be one dict.

    Raises:
        google.protobuf.message.DecodeError: bytes that are no `PubsubMessage`.

    >>> pack = raw_pack([b"\n\x02{}\x12\x06\n\x01k\x12\x01v\x1a\x017"])
    >>> pack.payloads, pack.message_ids, pack.attributes
    ([b'{}'], ['7'], [{'k': 'v'}])
    """
    columns = columns_of(serialised) if len(serialised) >= _WORTH_COLUMNS else None
    if columns is None:
        return _read_one_by_one(serialised)
    payloads, entries, ids, times, keys = columns
    return RawPack(
        payloads,
        [*times],
        ids if any(ids) else None,
        _attributes(entries),
        keys if any(keys) else None,
    )


def _read_one_by_one(serialised: Sequence[bytes]) -> RawPack:
    # Parsed as one message that holds them all: each for itself they take four times as long.
    framed: list[bytes] = [b""] * (2 * len(serialised))
    framed[::2] = map(_FRAMES.__getitem__, map(len, serialised))
    framed[1::2] = serialised
    messages = parse_one_by_one(b"".join(framed)).messages[:]
    ids = [message.message_id for message in messages]
    keys = [message.ordering_key for message in messages]
    return RawPack(
        [message.data for message in messages],
        _times(messages),
        ids if any(ids) else None,
        _attributes([tuple(message.attributes[:]) for message in messages]),
        keys if any(keys) else None,
    )


def _without_decoding(source: Any, subscription: str, timestamp_attribute: str | None) -> Any:
    read = source(
        subscription=subscription, with_attributes=True, timestamp_attribute=timestamp_attribute
    )
    # The engine is told by the source inside what to bring, and Beam by this what to decode.
    read.with_attributes = False
    return read


def _asks_for_attributes(pipeline: beam.Pipeline) -> bool:
    steps = pipeline.to_runner_api().components.transforms.values()
    urn = common_urns.composites.PUBSUB_READ.urn
    asked = [
        beam_runner_api_pb2.PubSubReadPayload.FromString(step.spec.payload)
        for step in steps
        if step.spec.urn == urn
    ]
    return len(asked) == 1 and asked[0].subscription == _TRIAL and asked[0].with_attributes


def _times(messages: list[Any]) -> list[int | None] | None:
    times: list[int | None] = [
        (time := message.publish_time).seconds * 1_000_000 + time.nanos // 1_000
        for message in messages
    ]
    # To ask whether a field is there costs as much as to read it.
    for row in [row for row, time in enumerate(times) if not time] if 0 in times else ():
        if not messages[row].HasField("publish_time"):
            times[row] = None
    return times if any(time is not None for time in times) else None


def _attributes(entries: list[tuple[bytes, ...]]) -> list[dict[str, str]] | None:
    return [*map(_SETS.__getitem__, entries)] if any(entries) else None


class _Frames(dict[int, bytes]):
    """What stands before a message of so many bytes in one that holds many."""

    def __missing__(self, length: int) -> bytes:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        rest, frame = length, bytearray((1 << 3 | 2,))
        while rest > 0x7F:
            frame.append(rest & 0x7F | 0x80)
            rest >>= 7
        frame.append(rest)
        self[length] = found = bytes(frame)
        return found


class _Entries(dict[bytes, tuple[str, str]]):
    """Names and values of attributes by their serialised form: most come again and again."""

    def __missing__(self, serialised: bytes) -> tuple[str, str]:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        entry = parse_entry(serialised)
        self[serialised] = found = entry.key, entry.value
        return found


class _Sets(dict[tuple[bytes, ...], dict[str, str]]):
    """All attributes of a message by their serialised forms."""

    def __missing__(self, serialised: tuple[bytes, ...]) -> dict[str, str]:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        self[serialised] = found = dict(map(_ENTRIES.__getitem__, serialised))
        return found


_FRAMES, _ENTRIES, _SETS = _Frames(), _Entries(), _Sets()
