"""Serialised messages to events checked by their contracts, pack by pack: a worker's part of it."""

from collections.abc import Callable, Iterator

import msgspec

from benchmarks.contender import digest_of_many, main
from benchmarks.serialised_messages import serialised_bundles, told
from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.refusal import Refusal
from transforms.garbage import settle
from transforms.pubsub_raw import raw_pack

__all__ = ["begin", "run"]

_BUNDLES: list[list[bytes]] = []
_DECODER: list[Decoder] = []


def begin(path: str) -> dict[str, str]:
    """Make the messages, and set up what a worker sets up once."""
    _BUNDLES[:] = serialised_bundles(path)
    _DECODER[:] = [Decoder(load_contracts(None))]
    _DECODER[0].read_pack(raw_pack(_BUNDLES[0]), 0)
    settle()
    return {}


def run(path: str) -> Callable[[], str]:
    """Decode and check each message; its result is that of doing so again."""
    [decoder] = _DECODER
    for bundle in _BUNDLES:
        decoder.read_pack(raw_pack(bundle), 0)
    return lambda: digest_of_many(_rows(decoder))


def _rows(decoder: Decoder) -> Iterator[bytes]:
    for bundle in _BUNDLES:
        pack = raw_pack(bundle)
        for row, reading in enumerate(decoder.read_pack(pack, 0)):
            if isinstance(reading, Refusal):
                msg = f"an event of the input was refused: {reading.reason.value}"
                raise TypeError(msg)
            raw, event = pack.row(row), msgspec.to_builtins(reading[0])
            message = raw.message_id, raw.publish_time or 0, raw.attributes
            yield told(message, reading[1], event)


if __name__ == "__main__":
    main(run, begin)
