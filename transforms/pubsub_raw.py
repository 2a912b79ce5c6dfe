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
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from schemas.packs import RawPack

__all__ = ["leaves_out_decoding", "raw_pack", "read_serialised"]

_MOST_KNOWN = 4_096
_TRIAL = "projects/some-project/subscriptions/some-name"
_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "penstock"


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
    # Parsed as one message that holds them all: one by one they take four times as long.
    framed: list[bytes] = [b""] * (2 * len(serialised))
    framed[::2] = map(_FRAMES.__getitem__, map(len, serialised))
    framed[1::2] = serialised
    messages = _messages(b"".join(framed)).messages[:]
    ids = [message.message_id for message in messages]
    keys = [message.ordering_key for message in messages]
    return RawPack(
        [message.data for message in messages],
        _times(messages),
        ids if any(ids) else None,
        _attributes([message.attributes[:] for message in messages]),
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


def _attributes(columns: list[list[bytes]]) -> list[dict[str, str]] | None:
    if not any(columns):
        return None
    return [_SETS[tuple(entries)] for entries in columns]


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
        entry = _entry(serialised)
        self[serialised] = found = entry.key, entry.value
        return found


class _Sets(dict[tuple[bytes, ...], dict[str, str]]):
    """All attributes of a message by their serialised forms."""

    def __missing__(self, serialised: tuple[bytes, ...]) -> dict[str, str]:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        self[serialised] = found = dict(map(_ENTRIES.__getitem__, serialised))
        return found


def _parsers() -> tuple[Any, Any]:
    """Return what parses many messages, and what an entry of their attributes.

    Beside Pub/Sub's own description of a message this one leaves the entries as they are: to take
    them out of a map of protobuf costs more than all the rest.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}/pubsub_message.proto", package=_PACKAGE, syntax="proto3"
    )
    text, many = _FIELD.TYPE_STRING, _FIELD.LABEL_REPEATED
    _describe(file, "Time", seconds=(1, _FIELD.TYPE_INT64), nanos=(2, _FIELD.TYPE_INT32))
    _describe(file, "Entry", key=(1, text), value=(2, text))
    message = _describe(
        file, "Message", data=(1, _FIELD.TYPE_BYTES), message_id=(3, text), ordering_key=(5, text)
    )
    message.field.add(name="attributes", number=2, type=_FIELD.TYPE_BYTES, label=many)
    _refer(message, "publish_time", 4, "Time", _FIELD.LABEL_OPTIONAL)
    _refer(file.message_type.add(name="Messages"), "messages", 1, "Message", many)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in ("Messages", "Entry"))
    messages, entry = map(message_factory.GetMessageClass, found)
    return messages.FromString, entry.FromString


def _describe(file: Any, name: str, **fields: tuple[int, Any]) -> Any:
    message = file.message_type.add(name=name)
    for field, (number, kind) in fields.items():
        message.field.add(name=field, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
    return message


def _refer(message: Any, name: str, number: int, kind: str, label: Any) -> None:
    message.field.add(
        name=name,
        number=number,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.{kind}",
        label=label,
    )


_messages, _entry = _parsers()
_FRAMES, _ENTRIES, _SETS = _Frames(), _Entries(), _Sets()
