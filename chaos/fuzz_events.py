"""Fuzz targets of what comes in: payloads of events, and Pub/Sub's messages around them."""

import functools
import json
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import msgspec
from google.protobuf.message import DecodeError
from google.pubsub_v1.types import PullResponse

from chaos.fuzz_mutations import mutate_bytes, mutate_json, mutate_tree, one_of
from chaos.fuzz_target import CANARY, Target, promise
from local.chance import Chance
from local.faults import BROKEN, Breaker
from local.sample import detail_maker
from schemas.archive_avro import from_avro, in_order, to_avro
from schemas.content import content_digest
from schemas.contract import load_contracts
from schemas.contract_set import Contract, Contracts
from schemas.decoder import Decoder, Reading
from schemas.events import RawEvent
from schemas.field_types import FieldType
from schemas.packs import RawPack
from schemas.refusal import Refusal
from schemas.rejected import Reason, reject
from transforms.pubsub_messages import pack_messages, row_times

__all__ = ["MESSAGES", "PAYLOADS", "event_seeds"]

_NOW = 1_770_000_000_000_000
_MOST_BYTES = 8_192
_REASONS = frozenset(Reason)
_LAST_SECOND = 253_402_300_799
_FIRST_SECOND = -62_135_596_800
_ENVELOPE = {
    "event_id": "e-1",
    "user_id": CANARY,
    "session_id": None,
    "event_timestamp": "2026-01-31T12:00:00.5+01:00",
    "source_system": CANARY,
}


class _Suite(NamedTuple):
    """What is made once in a process."""

    contracts: Contracts
    decoder: Decoder


def event_seeds() -> Iterator[bytes]:
    """Yield an event of each type, and the same broken in each of the generator's ways."""
    chance = Chance(7)
    for name, contract in _suite().contracts.types.items():
        details = detail_maker(contract.fields)(chance, {}, {})
        event = {**_ENVELOPE, "event_type": name, "event_details": details}
        yield json.dumps(event).encode()
        breaker = Breaker(_suite().contracts, chance, clocked=True)
        for reason in BROKEN if name == "wide" else ():
            broken = breaker.breaks(reason, event)
            if broken is not None and len(broken.payload) <= 2 * _MOST_BYTES:
                yield broken.payload


@functools.cache
def _suite() -> _Suite:
    shipped = load_contracts()
    # No shipped contract has all kinds of fields, nor all in one event.
    wide = Contract("wide", "lab", "Every kind of field.", _every_kind())
    contracts = Contracts({**shipped.types, "wide": wide}, shipped.envelope)
    return _Suite(contracts, Decoder(contracts, max_event_bytes=_MOST_BYTES))


def _every_kind() -> dict[str, FieldType]:
    plain = (
        "boolean", "int", "long", "float", "double", "bytes", "string", "date", "timestamp-millis",
        "timestamp-micros", "uuid",
    )  # fmt: skip
    fields = {kind.replace("-", "_"): FieldType(kind=kind) for kind in plain}
    fields["decimal"] = FieldType(kind="decimal", precision=9, scale=2)
    fields["enum"] = FieldType(kind="enum", symbols=("red", "green"))
    maybe = {f"{name}_or_null": _nullable(field) for name, field in fields.items()}
    record = FieldType(kind="record", fields={**fields, **maybe})
    return {
        **fields,
        **maybe,
        "record": _nullable(record),
        "list": FieldType(kind="array", items=_nullable(record), default=[], required=False),
        "times": _nullable(FieldType(kind="map", items=fields["timestamp_micros"])),
        "prices": _nullable(FieldType(kind="map", items=fields["decimal"])),
    }


def _nullable(field: FieldType) -> FieldType:
    return msgspec.structs.replace(field, nullable=True, required=False)


def _check_payload(payload: bytes) -> None:
    """Read one payload by both ways, and what is accepted once more from what was read."""
    decoder = _suite().decoder
    read = decoder.read(payload, None, _NOW)
    in_pack = decoder.read_pack(RawPack([payload, payload], [_NOW, None]), _NOW)
    promise(in_pack == [read, read], "a pack is read as its messages are")
    if isinstance(read, Refusal):
        _check_refusal(payload, read)
    else:
        _check_accepted(decoder, payload, read)


def _check_refusal(payload: bytes, refusal: Refusal) -> None:
    promise(refusal.reason in _REASONS, "a refusal has a reason code")
    promise("\n" not in refusal.detail and bool(refusal.detail), "its detail is a line")
    promise(CANARY not in refusal.detail, "its detail tells no value")
    kept = reject(RawEvent(payload), "Decode", refusal.reason, refusal.detail, refusal.event_time)
    promise(kept.payload == payload, "a refusal keeps the original bytes")
    msgspec.msgpack.encode(kept)


def _check_accepted(decoder: Decoder, payload: bytes, read: Reading) -> None:
    record, event_time, drift = read
    promise(0 < len(payload) <= _MOST_BYTES, "what is accepted is within its bound")
    again, same_drift = decoder.reread_whole(payload, {})
    digest = content_digest(record, drift)
    promise(content_digest(again, same_drift) == digest, "the same bytes have the same digest")
    if drift is not None:
        promise(isinstance(json.loads(drift, parse_int=str), dict), "drift is an object")
    known = msgspec.json.encode(record)
    written = decoder.read(known, None, _NOW) if len(known) <= _MOST_BYTES else None
    if written is not None:
        promise(not isinstance(written, Refusal), "what was read is accepted as it is written")
        assert not isinstance(written, Refusal)
        promise(written[1:] == (event_time, None), "it has the same time, and nothing unknown")
        promise(
            content_digest(written[0]) == content_digest(record), "and the same digest of content"
        )


def _mutate_message(data: bytes, random: Random) -> bytes:
    response = PullResponse.pb()()
    try:
        response.ParseFromString(data)
    except DecodeError:
        return mutate_bytes(data, random)
    messages = [each.message for each in response.received_messages]
    if not messages or not random.randrange(8):
        response.received_messages.add()
        return bytes(response.SerializeToString())
    random.choice(_CHANGES)(random.choice(messages), random)
    return bytes(response.SerializeToString())


def _change_data(message: Any, random: Random) -> None:
    message.data = random.choice((mutate_json, mutate_bytes))(message.data, random)


def _change_attributes(message: Any, random: Random) -> None:
    changed = mutate_tree(dict(message.attributes), random)
    message.attributes.clear()
    for key, value in changed.items() if isinstance(changed, dict) else ():
        message.attributes[_text(key)] = _text(value)


def _change_encoding(message: Any, random: Random) -> None:
    message.attributes["content-encoding"] = random.choice(("gzip", "GZIP", "br", "", "gzip, gzip"))
    if random.randrange(2):
        stream = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
        packed = stream.compress(message.data) + stream.flush()
        message.data = packed[: len(packed) - random.choice((0, 0, 1, 8, len(packed) // 2))]


def _change_rest(message: Any, random: Random) -> None:
    message.publish_time.seconds = random.choice((0, -1, _FIRST_SECOND, _LAST_SECOND, 2**31))
    message.publish_time.nanos = random.choice((0, 999, 999_999_999))
    message.message_id = random.choice(("", "1", "é" * 40, "1" * 300))
    message.ordering_key = random.choice(("", "", "k", "\0"))


_CHANGES: tuple[Callable[[Any, Random], None], ...] = (
    _change_data, _change_data, _change_attributes, _change_encoding, _change_rest,
)  # fmt: skip


def _text(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()


def _check_messages(data: bytes) -> None:
    """Take what Pub/Sub could have answered; all of it is decoded, and archived as it came."""
    response = PullResponse.pb()()
    try:
        response.ParseFromString(data)
    except DecodeError:
        return
    received = list(response.received_messages)
    times = [each.message.publish_time for each in received]
    if not all(_FIRST_SECOND <= t.seconds <= _LAST_SECOND and 0 <= t.nanos < 10**9 for t in times):
        # Protobuf's own timestamps have no others.
        return
    packs = list(pack_messages(received))
    promise(sum(map(len, packs)) == len(received), "every message is in a pack")
    for pack in packs:
        _check_pack(pack)
    payloads = [payload for pack in packs for payload in pack.payloads]
    promise(payloads == [each.message.data for each in received], "payloads stay as they came")


def _check_pack(pack: RawPack) -> None:
    decoder = _suite().decoder
    readings = decoder.read_pack(pack, _NOW)
    for index, reading in enumerate(readings):
        raw = pack.row(index)
        alone = decoder.read(raw.payload, raw.attributes, raw.publish_time)
        promise(alone == reading, "a message alone is read as in its pack")
        if isinstance(reading, Refusal):
            _check_refusal(raw.payload, reading)
        else:
            again = decoder.reread(raw.payload, raw.attributes)
            promise(again == reading[0], "what was accepted is read again")
    promise(all(isinstance(time, int) for time in row_times(pack, "ts")), "every row has a time")
    ordered = in_order(pack)
    kept = from_avro(to_avro(ordered, "null"))
    rows = range(len(pack))
    promise(
        [kept.row(row) for row in rows] == [ordered.row(row) for row in rows],
        "the archive keeps messages as they came",
    )


def _message_seeds() -> Iterator[bytes]:
    response = PullResponse.pb()()
    for number, payload in enumerate(event_seeds()):
        message = response.received_messages.add().message
        message.data, message.message_id = payload, str(number)
        message.publish_time.seconds = _NOW // 1_000_000 + number
        message.attributes["ts"] = str(_NOW // 1_000)
        if number % 6 == 5:
            yield bytes(response.SerializeToString())
            response = PullResponse.pb()()


PAYLOADS = Target(
    "decode",
    "a payload is a record or a refusal with its reason; never an error, never a value told",
    _check_payload,
    event_seeds,
    one_of((3, mutate_json), (1, mutate_bytes)),
    weight=120,
    max_bytes=2 * _MOST_BYTES,
)
MESSAGES = Target(
    "pubsub_messages",
    "every message is decoded or refused, alone as in its pack, and archived as it came",
    _check_messages,
    _message_seeds,
    one_of((6, _mutate_message), (1, mutate_bytes)),
    weight=6,
)
