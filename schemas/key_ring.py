"""The versions of the pseudonyms' key, and which of them an event's publish time chooses."""

import logging
import re
from bisect import bisect_right
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from schemas.events import MIN_MICROS
from schemas.pseudonym_key import PseudonymError, PseudonymKey, key_text
from schemas.times import format_rfc3339, parse_rfc3339

__all__ = ["KeyRing", "load_key", "load_ring"]

_SHORT = 16
_DATED = re.compile(rb"\s*\d{4}-\d\d-\d\d[Tt\s]")
_GLUED = re.compile(rb"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d\S*[ \t]+\S")
_NAMED = re.compile(rb"\s*(\S+\s+)?[A-Za-z0-9_-]{1,32}:\S")
"""What a version looks like whose time is missing, or is written otherwise."""
_REMEDY = "write lines `<RFC 3339 time> <key id>:<secret>`, the first with or without its time"


class _Version(NamedTuple):
    line: int
    start: int
    key: PseudonymKey


@dataclass(frozen=True)
class KeyRing:
    """One key, or several, each in force from a publish time until that of the next.

    What was published before the first is the first one's too. It cannot be pickled, as its keys.

    Args:
        keys: at least one, oldest first.
        starts: when each comes into force, in microseconds; ascending.
    """

    keys: tuple[PseudonymKey, ...]
    starts: tuple[int, ...] = (MIN_MICROS,)

    @classmethod
    def of(cls, content: bytes) -> "KeyRing":
        r"""Read a ring: a key alone, as `PseudonymKey.of`, or a key a line, behind its time.

        A text is a ring if any of its lines begins with a date and a time. The first key of a ring
        may lack its time: it is in force from the beginning, and is the key that its line alone
        is. Empty lines and those with a `#` in front are passed over. A key alone has none of
        them, as it would be another one in a ring.

        >>> ring = KeyRing.of(b"a:0123456789abcdef\n2026-03-01T00:00:00Z b:fedcba9876543210")
        >>> [ring.at(time).key_id for time in (0, 1772323199999999, 1772323200000000)]
        ['a', 'a', 'b']

        Raises:
            PseudonymError: the lines make no ring; the number of the line, never what it holds.
        """
        lines = content.removeprefix(BOM_UTF8).split(b"\n")
        if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            _refuse(1, "is in UTF-16; save the text as UTF-8")
        if not any(map(_DATED.match, lines)):
            return cls((_alone(content, lines),))
        versions = list(_versions(lines))
        _check_keys(versions)
        return cls(tuple(each.key for each in versions), tuple(each.start for each in versions))

    def place(self, publish_time: int) -> int:
        """Return the place of the key that is in force at a publish time, in microseconds."""
        return max(bisect_right(self.starts, publish_time) - 1, 0)

    def at(self, publish_time: int) -> PseudonymKey:
        """Return the key that is in force at a publish time, in microseconds."""
        return self.keys[self.place(publish_time)]

    def __reduce__(self) -> NoReturn:
        message = "a key ring is never pickled; load it where it is used"
        raise TypeError(message)


def load_ring(location: str) -> KeyRing:
    """Load the key, or the ring of keys, from where an option says that it is.

    Args:
        location: as `key_text` takes it.

    Raises:
        PseudonymError: there is none, it is empty, or its lines make no ring.
    """
    content = key_text(location)
    if not content.strip():
        message = f"pseudonym key {location}: empty; put 32 random bytes there, as text"
        raise PseudonymError(message)
    try:
        ring = KeyRing.of(content)
    except PseudonymError as error:
        message = f"pseudonym key {location}: {error}"
        raise PseudonymError(message) from None
    if len(ring.keys[0].secret) < _SHORT:
        logging.warning("pseudonym key %s: shorter than %d bytes", location, _SHORT)
    return ring


def load_key(location: str) -> PseudonymKey:
    """Load a key that is alone.

    Raises:
        PseudonymError: as `load_ring`, and where there are several.
    """
    ring = load_ring(location)
    if len(ring.keys) > 1:
        message = f"pseudonym key {location}: holds {len(ring.keys)} keys; use `load_ring`"
        raise PseudonymError(message)
    return ring.keys[0]


def _alone(content: bytes, lines: list[bytes]) -> PseudonymKey:
    """Return the key that a text is, if it stays that one before the lines of other versions."""
    kept = [(number, line) for number, line in enumerate(lines, 1) if not _is_passed_over(line)]
    for place, (number, line) in enumerate(kept):
        _check_end(line, number)
        if place and _NAMED.match(line):
            _refuse(number, f"has no time; {_REMEDY}")
    key = PseudonymKey.of(content)
    if len(kept) > 1 or (kept and PseudonymKey.of(kept[0][1]) == key):
        return key
    others = (number for number, line in enumerate(lines, 1) if _is_passed_over(line))
    number = 1 if content.startswith(BOM_UTF8) else next(others)
    remedy = "take empty lines, notes and a byte order mark away, or begin with `<key id>:`"
    _refuse(number, f"is not of the key in a ring, where it would be another one; {remedy}")


def _is_passed_over(line: bytes) -> bool:
    line = line.strip()
    return not line or line.startswith(b"#")


def _versions(lines: list[bytes]) -> Iterator[_Version]:
    before: _Version | None = None
    for number, given in enumerate(lines, 1):
        if _is_passed_over(given):
            continue
        version = _version(given.rstrip(b"\r"), number, is_first=before is None)
        if before and version.start <= before.start:
            told = "begins when" if version.start == before.start else "begins before"
            _refuse(number, f"{told} line {before.line} does; give each version a later time")
        yield version
        before = version


def _version(line: bytes, number: int, *, is_first: bool) -> _Version:
    start, secret, is_dated = MIN_MICROS, line, _DATED.match(line) is not None
    if is_dated:
        time, *behind = line.split(None, 1)
        try:
            start = parse_rfc3339(time.decode())
            format_rfc3339(start)  # An offset can lead out of the years that there are.
        except (ValueError, OverflowError):
            _refuse(number, f"begins with no time; {_REMEDY}")
        secret = b"".join(behind)
    elif not is_first:
        _refuse(number, f"has no time; {_REMEDY}")
    _check_end(secret, number)
    key = PseudonymKey.of(secret)
    # One without a time was there alone, where a short one is only warned of.
    if is_dated and len(key.secret) < _SHORT:
        _refuse(number, f"its secret is shorter than {_SHORT} bytes; use 32 random bytes, as text")
    return _Version(number, start, key)


def _check_end(secret: bytes, number: int) -> None:
    """Refuse what lost a line break: it would be another key, and nobody would know."""
    if _GLUED.search(secret):
        _refuse(number, "has a time inside; write each version on a line of its own")


def _check_keys(versions: list[_Version]) -> None:
    """A pseudonym names its key, so a name is of one secret, and a secret has one name."""
    for place, one in enumerate(versions):
        for other in versions[:place]:
            same_id = one.key.key_id == other.key.key_id
            if same_id and one.key.secret != other.key.secret:
                told = f"has the key id of line {other.line} and another secret"
                _refuse(one.line, f"{told}; give each key an id of its own")
            if not same_id and one.key.secret == other.key.secret:
                told = f"has the secret of line {other.line} under another id"
                _refuse(one.line, f"{told}; make a new key")


def _refuse(line: int, problem: str) -> NoReturn:
    message = f"line {line} {problem}"
    raise PseudonymError(message)
