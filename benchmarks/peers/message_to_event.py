"""Serialised messages to parsed JSON, as Beam's source and a step of `json.loads` do it."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from apache_beam.io.gcp.pubsub import PubsubMessage

from benchmarks.contender import digest_of_many, main
from benchmarks.serialised_messages import serialised_bundles, told

__all__ = ["begin", "run"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_BUNDLES: list[list[bytes]] = []


def begin(path: str) -> dict[str, str]:
    """Make the messages, and decode one: the first takes what the classes need."""
    _BUNDLES[:] = serialised_bundles(path)
    PubsubMessage._from_proto_str(_BUNDLES[0][0])
    return {}


def run(path: str) -> Callable[[], str]:
    """Decode each message; its result is that of doing so again."""
    for bundle in _BUNDLES:
        for serialised in bundle:
            message = PubsubMessage._from_proto_str(serialised)
            json.loads(message.data)
    return lambda: digest_of_many(_rows())


def _rows() -> Iterator[bytes]:
    for bundle in _BUNDLES:
        for serialised in bundle:
            message = PubsubMessage._from_proto_str(serialised)
            event = json.loads(message.data)
            moment = datetime.fromisoformat(event["event_timestamp"].replace("Z", "+00:00"))
            published = _micros(message.publish_time)
            yield told((message.message_id, published, message.attributes), _micros(moment), event)


def _micros(moment: datetime) -> int:
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


if __name__ == "__main__":
    main(run, begin)
