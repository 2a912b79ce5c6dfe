"""Mutations of bytes, lines and trees: equal for equal numbers, and mostly still of their form."""

import json
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeAlias

from chaos.fuzz_target import CANARY

__all__ = [
    "TOKENS",
    "Mutate",
    "mutate_bytes",
    "mutate_json",
    "mutate_lines",
    "mutate_tree",
    "one_of",
    "spelled",
]

Mutate: TypeAlias = Callable[[bytes, Random], bytes]
_Edit: TypeAlias = Callable[[bytearray, int, Random], None]

_MOST_NESTED = 200
# A text that the JSON is written with and without: what no Python value is written as.
_RAW = "\u2402raw:"
TOKENS: tuple[bytes, ...] = (
    b"", b"\0", b"\n", b"\r\n", b"\t", b" ", b'"', b"\\", b"\\u0000", b"\\ud800", b"\\udc00",
    b"\\ud83d\\ude00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"{",
    b"}", b"[", b"]", b":", b",", b"null", b"true", b"NaN", b"Infinity", b"-Infinity", b"-0",
    b"-0.0", b"1e999", b"1E-400", b"0.1e1", b"9223372036854775807", b"-9223372036854775809",
    b"18446744073709551616", b"1" * 400, b"0x10", b"1_000", b"1970-01-01T00:00:00Z",
    b"9999-12-31T23:59:59.999999Z", b"0001-01-01T00:00:00+14:00", b"2026-02-30T00:00:00Z",
    b"2026-01-31T12:00:60Z", b"2026-01-31 12:00:00z", b".1234567Z", b"&a ", b"*a", b"<<: *a",
    b"!!python/object:os.system ", b"!!binary ", b"- ", b"? ", b"#", b"---\n", b"%", b"$", b"../",
    CANARY.encode(),
)  # fmt: skip
"""What parsers of texts stumble over."""

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, -(2**63) - 1, 10**40,
    0.5, -0.0, 1e308, 5e-324, 1.0, "", " ", "a", "0", "-1", "1.50", "1e3", "null", "\x00", "\ud800",
    "\U0001f600", "é", "a" * 65, "a" * 1100, CANARY, "1970-01-01T00:00:00Z", "2026-02-29",
    "2026-01-31T12:00:00.1234567Z", "2026-01-31T23:59:59+14:00", "9999-12-31T23:59:59-01:00",
    "0001-01-01T00:00:00Z", "5b0b9c0e-64a5-4b1c-8a5e-1c1f7f0f3f11", "AA==", "AA", [], {}, [[]],
    [None], {"": None}, "1h", "5m", "30d", "0s", "99999999999d", "event_details.country",
    f"{_RAW}NaN", f"{_RAW}1e999", f"{_RAW}-0", f"{_RAW}1{'0' * 320}", f"{_RAW}0.1{'0' * 60}1",
)  # fmt: skip


def one_of(*ways: tuple[int, Mutate]) -> Mutate:
    """Return a mutation that is each of some as often as its number says."""
    several = [mutate for times, mutate in ways for _ in range(times)]

    def mutate(data: bytes, random: Random) -> bytes:
        try:
            return random.choice(several)(data, random)
        except RecursionError:
            # A tree that can just be read may be too deep to be copied.
            return mutate_bytes(data, random)

    return mutate


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Change one to four places of any bytes."""
    changed = bytearray(data)
    for _ in range(1 << random.randrange(3)):
        random.choice(_EDITS)(changed, random.randrange(len(changed) + 1), random)
    return bytes(changed)


def mutate_lines(data: bytes, random: Random) -> bytes:
    """Leave out, repeat, exchange or change lines."""
    lines = data.split(b"\n")
    place, other = random.randrange(len(lines)), random.randrange(len(lines))
    way = random.randrange(5)
    if way == 0:
        del lines[place]
    elif way == 1:
        lines.insert(other, lines[place])
    elif way == 2:
        lines[place], lines[other] = lines[other], lines[place]
    else:
        lines[place] = mutate_bytes(lines[place], random)
    return b"\n".join(lines)


def mutate_json(data: bytes, random: Random) -> bytes:
    """Change the tree of a JSON text and write it otherwise; of what is none, change the bytes."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(data, random)
    for _ in range(1 + random.randrange(3)):
        tree = mutate_tree(tree, random)
    return spelled(tree, random)


def mutate_tree(tree: Any, random: Random, values: Sequence[Any] = _VALUES) -> Any:
    """Return a tree of lists, mappings and plain values with one place changed."""
    places = list(_places(tree))
    if not places or not random.randrange(50):
        return _nested(tree, random)
    inside, key = random.choice(places)
    way = random.randrange(8)
    if way == 0:
        del inside[key]
    elif way == 1 and isinstance(inside, dict):
        inside[_key(random, inside)] = inside.pop(key)
    elif way == 2 and isinstance(inside, dict):
        inside[_key(random, inside)] = _plain_copy(random.choice(values))
    elif way == 2:
        inside.insert(key, _plain_copy(random.choice(values)))
    elif way == 3:
        other, place = random.choice(places)
        inside[key] = _plain_copy(other.get(place) if isinstance(other, dict) else other[place])
    elif way == 4:
        inside[key] = _near(inside[key], random)
    else:
        inside[key] = _plain_copy(random.choice(values))
    return tree


def spelled(tree: Any, random: Random) -> bytes:
    """Write a tree as JSON in one of the ways that mean the same."""
    separators = random.choice(((",", ":"), (", ", ": "), (" , ", " :\t")))
    try:
        text = json.dumps(
            tree, ensure_ascii=bool(random.randrange(2)), separators=separators,
            indent=random.choice((None, None, None, 1)),
        )  # fmt: skip
    except (ValueError, RecursionError):
        return b"[" * _MOST_NESTED
    for mark in (json.dumps(_RAW)[1:-1], _RAW):
        while mark in text:
            before, _, rest = text.partition(mark)
            number, _, behind = rest.partition('"')
            text = before[:-1] + number + behind
    return text.encode("utf-8", "surrogatepass")


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Return each container with each of its keys, the outermost first."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting and len(found) < 2_000:
        inside = waiting.pop()
        if not isinstance(inside, dict | list):
            continue
        for key in list(inside) if isinstance(inside, dict) else range(len(inside)):
            found.append((inside, key))
            if isinstance(inside[key], dict | list):
                waiting.append(inside[key])
    return found


def _near(value: Any, random: Random) -> Any:
    """Return a neighbour of a plain value, of the same type or of the one beside it."""
    if isinstance(value, str):
        return mutate_bytes(value.encode("utf-8", "surrogatepass"), random).decode(
            "utf-8", "replace"
        )
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return random.choice((value + 1, -value, value * 10, value << 31, float(value % 2**60)))
    if isinstance(value, float):
        return random.choice((-value, value * 10 if math.isfinite(value) else 0.0, str(value)))
    return random.choice(([value], {"a": value}))


def _key(random: Random, inside: dict[Any, Any]) -> str:
    kept = [key for key in inside if isinstance(key, str)] or ["a"]
    known = random.choice(kept)
    return str(random.choice((known, known.upper(), f"{known}_", f" {known}", "", "a", "null")))


def _nested(tree: Any, random: Random) -> Any:
    for _ in range(random.randrange(_MOST_NESTED)):
        tree = [tree] if random.randrange(2) else {"a": tree}
    return tree


def _plain_copy(value: Any) -> Any:
    # Shared containers would make a tree that holds itself.
    if isinstance(value, dict):
        return {key: _plain_copy(each) for key, each in value.items()}
    return [*map(_plain_copy, value)] if isinstance(value, list) else value


def _flip(data: bytearray, place: int, random: Random) -> None:
    if place < len(data):
        data[place] ^= 1 << random.randrange(8)


def _set(data: bytearray, place: int, random: Random) -> None:
    if place < len(data):
        data[place] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))


def _token(data: bytearray, place: int, random: Random) -> None:
    data[place:place] = random.choice(TOKENS)


def _replace(data: bytearray, place: int, random: Random) -> None:
    data[place : place + random.randrange(9)] = random.choice(TOKENS)


def _cut(data: bytearray, place: int, random: Random) -> None:
    del data[place : place + 1 + random.randrange(1 << random.randrange(1, 8))]


def _repeat(data: bytearray, place: int, random: Random) -> None:
    part = data[place : place + 1 + random.randrange(16)]
    data[place:place] = part * (1 + random.randrange(4))


def _end(data: bytearray, place: int, random: Random) -> None:
    del data[place:]


_EDITS: tuple[_Edit, ...] = (
    _flip, _flip, _set, _set, _token, _token, _replace, _cut, _repeat, _end,
)  # fmt: skip
