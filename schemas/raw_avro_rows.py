"""Writes the rows of an Avro object container file of messages, column by column.

What `fastavro` does record by record, in a third of its time: the archive writes every event that
there is. Readers are any reader of Avro. The format: https://avro.apache.org/docs/1.12.0/specification
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import repeat

from schemas.packs import RawPack

__all__ = ["container", "encoded_rows"]

_MAGIC = b"Obj\x01"
_END = b"\0"
_BITS = 7
_MORE = 1 << _BITS
_PAIR_BITS = 2 * _BITS


def _number(value: int) -> bytes:
    """Encode a long: zigzag, then seven bits to a byte, the least first."""
    rest = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while rest >= _MORE:
        encoded.append(rest % _MORE | _MORE)
        rest >>= _BITS
    encoded.append(rest)
    return bytes(encoded)


_NUMBERS = tuple(map(_number, range(4_096)))
# The numbers of 14 bits as the two bytes that they are inside a longer number.
_PAIRS = tuple(bytes((pair % _MORE | _MORE, pair >> _BITS | _MORE)) for pair in range(1 << 14))


def encoded_rows(pack: RawPack) -> Iterator[bytes]:
    r"""Yield each message as a record of the archive's schema; each has its publish time.

    >>> list(encoded_rows(RawPack([b"a"], [1], ["m"])))
    [b'\x02a\x00\x02m\x02\x00']
    """
    size = len(pack)
    times = [time or 0 for time in pack.publish_times or [0] * size]
    rows = zip(
        _lengths(pack.payloads),
        pack.payloads,
        map(_map, pack.attributes) if pack.attributes else repeat(_END, size),
        *_strings(pack.message_ids, size),
        map(_time, times),
        *_strings(pack.ordering_keys, size),
        strict=True,
    )
    return map(b"".join, rows)


def container(
    schema: Mapping[str, object],
    codec: str,
    blocks: Iterable[tuple[int, bytes]],
    marker: Callable[[list[bytes]], bytes],
) -> bytes:
    """Return the file of blocks, each a number of records and their compressed bytes.

    Args:
        schema: of the records.
        codec: as Avro calls it.
        blocks: in their order.
        marker: returns the 16 bytes that stand between the blocks, given the blocks' bytes.
    """
    made = [(count, data) for count, data in blocks]
    sync = marker([data for _, data in made])
    about = {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec.encode()}
    parts = [_MAGIC, _number(len(about))]
    for key, value in about.items():
        parts += [_string(key), _number(len(value)), value]
    parts += [_END, sync]
    for count, data in made:
        parts += [_number(count), _number(len(data)), data, sync]
    return b"".join(parts)


def _lengths(values: Iterable[bytes]) -> list[bytes]:
    known = len(_NUMBERS)
    return [_NUMBERS[size] if size < known else _number(size) for size in map(len, values)]


def _strings(column: list[str] | None, size: int) -> tuple[Iterable[bytes], Iterable[bytes]]:
    if column is None:
        return repeat(_END, size), repeat(b"", size)
    # Encoded twice: quickly done, and of a large pack all texts at once would take some megabytes.
    return _lengths(map(str.encode, column)), map(str.encode, column)


def _string(text: str) -> bytes:
    encoded = text.encode()
    return _number(len(encoded)) + encoded


def _map(attributes: Mapping[str, str]) -> bytes:
    if not attributes:
        return _END
    parts = [_number(len(attributes))]
    for key in sorted(attributes):
        parts += [_string(key), _string(attributes[key])]
    return b"".join([*parts, _END])


def _time(value: int) -> bytes:
    """Encode a long as `_number` does; neighbouring times have their upper half in common."""
    zigzag = (value << 1) ^ (value >> 63)
    upper = zigzag >> 2 * _PAIR_BITS
    if not upper:
        return _number(value)
    least = zigzag % len(_PAIRS)
    return _PAIRS[least] + _PAIRS[(zigzag >> _PAIR_BITS) % len(_PAIRS)] + _upper(upper)


@functools.lru_cache(4_096)
def _upper(bits: int) -> bytes:
    encoded = bytearray()
    while bits >= _MORE:
        encoded.append(bits % _MORE | _MORE)
        bits >>= _BITS
    encoded.append(bits)
    return bytes(encoded)
