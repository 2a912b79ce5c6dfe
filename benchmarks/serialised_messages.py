"""The lines of a file as Pub/Sub hands them to a worker: serialised messages, in bundles."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from google.pubsub_v1.types import PubsubMessage

from schemas.times import parse_rfc3339

__all__ = ["BUNDLE", "serialised_bundles", "told"]

BUNDLE = 500
"""Messages in a bundle, and in a pack."""

_FIRST_ID = 10**16
_STEP = 997
_AFTER = 1_000_000
_FIELDS = ("event_id", "event_type", "user_id", "session_id", "source_system")


class _Envelope(msgspec.Struct):
    event_type: str
    event_timestamp: str


def serialised_bundles(path: str) -> list[list[bytes]]:
    """Return each line as a message: two attributes, an id, and published a second afterwards."""
    bundles: list[list[bytes]] = []
    message_type, decode = PubsubMessage.pb(), msgspec.json.Decoder(_Envelope).decode
    ids = itertools.count(_FIRST_ID, _STEP)
    with Path(path).open("rb") as file:
        lines = iter(file.read().splitlines())
    while part := list(itertools.islice(lines, BUNDLE)):
        bundles.append([])
        for line in part:
            event = decode(line)
            attributes = {"content-type": "application/json", "event_type": event.event_type}
            message = message_type(data=line, attributes=attributes, message_id=str(next(ids)))
            message.publish_time.FromMicroseconds(parse_rfc3339(event.event_timestamp) + _AFTER)
            bundles[-1].append(message.SerializeToString())
    return bundles


def told(
    message: tuple[str, int, dict[str, str]], event_time: int, event: Mapping[str, Any]
) -> bytes:
    """Return what is compared of a message (id, publish time, attributes) and its event.

    Nulls are left out, and what is false as well: a contract says so of a flag that is not there.

    >>> told(("7", 5, {}), 4, {"event_id": "e", "event_details": {"on": False, "a": [{"b": None}]}})
    b'["7",5,{},4,["e",null,null,null,null],{"a":[{}]}]'
    """
    known = [event.get(name) for name in _FIELDS]
    row = (*message, event_time, known, _without_nothing(event["event_details"]))
    return msgspec.json.encode(row, order="sorted")


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _without_nothing(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each is not None and each is not False}
    return [*map(_without_nothing, value)] if isinstance(value, list) else value
