"""Mutations of Avro object container files that keep them readable up to what was changed."""

import json
import sys
import zlib
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from chaos.fuzz_mutations import mutate_bytes, mutate_json

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["mutate_container"]

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_BITS = 7
_LONGEST = 70
_CODECS = ("null", "deflate", "zstandard", "snappy", "bzip2", "xz", "", "nul\0")
_HOSTILE = (0, 1, -1, -2, 2, 63, 64, 2**20, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
_BOMB = 5_000_000
_MOST_PLAIN = 100_000


class _Block(NamedTuple):
    rows: int
    data: bytes


class _File(NamedTuple):
    meta: dict[str, bytes]
    sync: bytes
    blocks: list[_Block]


def mutate_container(data: bytes, random: Random) -> bytes:
    """Change the head, a block, or what is inside one; lengths and markers fit, mostly."""
    try:
        file = _parsed(data)
    except (LookupError, ValueError):
        return mutate_bytes(data, random)
    if not file.blocks or not random.randrange(8):
        return _written(random.choice(_HEADS)(file, random), random)
    place = random.randrange(len(file.blocks))
    changed = random.choice(_BLOCKS)(file, file.blocks[place], random)
    blocks = [*file.blocks[:place], *changed, *file.blocks[place + 1 :]]
    return _written(file._replace(blocks=blocks[:50]), random)


def _parsed(data: bytes) -> _File:
    """Take a file apart; `LookupError` or `ValueError` where it is none."""
    if not data.startswith(_MAGIC):
        raise ValueError
    meta, place = {}, len(_MAGIC)
    count, place = _long(data, place)
    for _ in range(count):
        key, place = _bytes(data, place)
        meta[key.decode()], place = _bytes(data, place)
    place += 1
    sync, place = data[place : place + _SYNC_BYTES], place + _SYNC_BYTES
    blocks = list[_Block]()
    while place < len(data) and len(blocks) < 50:
        count, place = _long(data, place)
        inside, place = _bytes(data, place)
        place += _SYNC_BYTES
        blocks.append(_Block(count, inside))
    return _File(meta, sync, blocks)


def _written(file: _File, random: Random) -> bytes:
    parts = [_MAGIC, _number(len(file.meta))]
    for key, value in file.meta.items():
        parts += [_number(len(key.encode())), key.encode(), _number(len(value)), value]
    parts += [b"\0", file.sync]
    for block in file.blocks:
        parts += [_number(block.rows), _number(len(block.data)), block.data, file.sync]
    if not random.randrange(12):
        # A length, a marker or an end that fits nothing.
        place = random.randrange(len(parts))
        parts[place] = random.choice((b"", _number(random.choice(_HOSTILE)), parts[place] * 2))
    return b"".join(parts)


def _other_codec(file: _File, random: Random) -> _File:
    return file._replace(meta={**file.meta, "avro.codec": random.choice(_CODECS).encode()})


def _other_schema(file: _File, random: Random) -> _File:
    schema = file.meta.get("avro.schema", b"{}")
    return file._replace(meta={**file.meta, "avro.schema": mutate_json(schema, random)})


def _without_a_key(file: _File, random: Random) -> _File:
    gone = random.choice([*file.meta, ""])
    return file._replace(meta={key: each for key, each in file.meta.items() if key != gone})


def _renamed_record(file: _File, random: Random) -> _File:
    """Reorder or rename fields: the same schema to a reader that resolves them, or not."""
    try:
        schema = json.loads(file.meta.get("avro.schema", b""))
        random.shuffle(schema["fields"])
    except (ValueError, KeyError, TypeError):
        return file
    return file._replace(meta={**file.meta, "avro.schema": json.dumps(schema).encode()})


def _inside(file: _File, block: _Block, random: Random) -> list[_Block]:
    """Change what a block holds, and compress it again."""
    plain = _inflated(file, block.data)
    if plain is None:
        return [block._replace(data=mutate_bytes(block.data, random))]
    place = random.randrange(len(plain) + 1)
    if random.randrange(2):
        changed = mutate_bytes(plain, random)
    else:
        number = _number(random.choice(_HOSTILE))
        changed = plain[:place] + number + plain[place + random.randrange(9) :]
    return [block._replace(data=_deflated(file, changed))]


def _outside(file: _File, block: _Block, random: Random) -> list[_Block]:
    return [block._replace(data=mutate_bytes(block.data, random))]


def _other_count(file: _File, block: _Block, random: Random) -> list[_Block]:
    return [block._replace(rows=random.choice((*_HOSTILE, block.rows + 1, block.rows - 1)))]


def _repeated(file: _File, block: _Block, random: Random) -> list[_Block]:
    return random.choice(([], [block, block], [block, block, block], [block, _Block(0, b"")]))


def _inflating(file: _File, block: _Block, random: Random) -> list[_Block]:
    """A few bytes that are megabytes: within a bound, or beyond it."""
    size = random.choice((_BOMB, _BOMB // 4, 1_000))
    return [_Block(random.choice((1, size // 5, block.rows)), _deflated(file, b"\0" * size))]


def _several_frames(file: _File, block: _Block, random: Random) -> list[_Block]:
    return [block._replace(data=block.data * random.choice((2, 3, 100)))]


_HEADS: tuple[Callable[[_File, Random], _File], ...] = (
    _other_codec, _other_schema, _without_a_key, _renamed_record,
)  # fmt: skip
_BLOCKS: tuple[Callable[[_File, _Block, Random], list[_Block]], ...] = (
    _inside, _inside, _inside, _inside, _outside, _other_count, _repeated, _several_frames,
    _inside, _inside, _inside, _inside, _outside, _other_count, _repeated, _inflating,
)  # fmt: skip


def _inflated(file: _File, data: bytes) -> bytes | None:
    codec = file.meta.get("avro.codec", b"null")
    try:
        if codec == b"deflate":
            plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _MOST_PLAIN)
        elif codec == b"zstandard":
            plain = zstd.ZstdDecompressor().decompress(data, _MOST_PLAIN)
        else:
            plain = data
    except (zlib.error, zstd.ZstdError):
        return None
    return bytes(plain)


def _deflated(file: _File, plain: bytes) -> bytes:
    codec = file.meta.get("avro.codec", b"null")
    if codec == b"deflate":
        stream = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
        return stream.compress(plain) + stream.flush()
    return bytes(zstd.compress(plain, 1)) if codec == b"zstandard" else plain


def _number(value: int) -> bytes:
    rest = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while rest >= 1 << _BITS:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= _BITS
    encoded.append(rest)
    return bytes(encoded)


def _long(data: bytes, place: int) -> tuple[int, int]:
    bits = shift = 0
    while shift < _LONGEST:
        byte = data[place]
        place += 1
        bits |= (byte & 0x7F) << shift
        if byte < 1 << _BITS:
            return (bits >> 1) ^ -(bits & 1), place
        shift += _BITS
    raise ValueError


def _bytes(data: bytes, place: int) -> tuple[bytes, int]:
    size, place = _long(data, place)
    if not 0 <= size <= len(data) - place:
        raise ValueError
    return data[place : place + size], place + size
