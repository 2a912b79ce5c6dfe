"""Builders of packs for the tests of dedupe."""

from collections.abc import Iterable
from hashlib import blake2b

from schemas.packs import EventPack, RawPack

Row = tuple[str, str, int]
"""Id, content, event time in microseconds."""


def digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def pack_of(rows: Iterable[Row], publish_times: list[int | None] | None = None) -> EventPack:
    """Each payload says which row it was: `id|content|event time`."""
    rows = list(rows)
    return EventPack(
        [digest(identity) for identity, _, _ in rows],
        [digest(content) for _, content, _ in rows],
        [time for _, _, time in rows],
        RawPack([f"{i}|{c}|{t}".encode() for i, c, t in rows], publish_times),
    )


def rows_of(pack: EventPack) -> list[Row]:
    parts = [payload.decode().split("|") for payload in pack.raw.payloads]
    return [(identity, content, int(time)) for identity, content, time in parts]
