"""The manifest of the archive: one small immutable file beside each object, whose name tells all.

To plan over a month is to list names: nothing has to be opened. An object without its entry is an
orphan of a retry that did not come to its end; an entry is written after its object is complete.
"""

import re
from typing import NamedTuple

import msgspec

from schemas.archive_avro import CODECS

__all__ = ["ENTRY_SUFFIX", "OBJECT_SUFFIX", "ManifestEntry", "Named", "parse_name"]

OBJECT_SUFFIX = ".avro"
ENTRY_SUFFIX = ".entry.json"
_ABSENT = "x"
_NUMBER = r"(n?\d{1,20})"
_MAYBE = r"(n?\d{1,20}|x)"
_NAME = re.compile(
    rf"([0-9a-f]{{32}})\.{_NUMBER}-{_NUMBER}-{_NUMBER}-{_NUMBER}-{_MAYBE}-{_MAYBE}"
    rf"-({'|'.join(CODECS)})(-c)?{re.escape(ENTRY_SUFFIX)}"
)


class ManifestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one object; times in microseconds since the epoch.

    `digest` is that of its messages and names the object, `size` is the object's in bytes. Event
    times are None where no attribute tells them. `replaces`: digests of the objects of the same
    hour whose messages are all in here.
    """

    digest: str
    events: int
    size: int
    first_publish: int
    last_publish: int
    first_event: int | None = None
    last_event: int | None = None
    codec: str
    replaces: tuple[str, ...] = ()

    @property
    def object_name(self) -> str:
        """The name of the object in its hour's folder."""
        return self.digest + OBJECT_SUFFIX

    @property
    def name(self) -> str:
        """The name of the entry's own file, beside the object.

        >>> entry = ManifestEntry(digest="0" * 32, events=2, size=9, first_publish=5,
        ...     last_publish=7, codec="zstd")
        >>> entry.name
        '00000000000000000000000000000000.2-9-5-7-x-x-zstd.entry.json'
        """
        times = (self.first_publish, self.last_publish, self.first_event, self.last_event)
        numbers = "-".join(map(_text, (self.events, self.size, *times)))
        compacted = "-c" if self.replaces else ""
        return f"{self.digest}.{numbers}-{self.codec}{compacted}{ENTRY_SUFFIX}"

    def to_json(self) -> bytes:
        """Return the content of the entry's file: the same as its name, and what it replaces."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> "ManifestEntry":
        """Read an entry's file; a `msgspec.DecodeError` means that it is none."""
        return msgspec.json.decode(content, type=cls)


class Named(NamedTuple):
    """An entry as its name tells it; `is_compacted`: what it replaces is in the file only."""

    entry: ManifestEntry
    is_compacted: bool


def parse_name(name: str) -> Named | None:
    """Return what the name of an entry's file tells; None for the names of other files."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    digest, *numbers, codec, compacted = found.groups()
    events, size, *times = map(_number, numbers)
    first_publish, last_publish, first_event, last_event = times
    entry = ManifestEntry(
        digest=digest,
        events=events or 0,
        size=size or 0,
        first_publish=first_publish or 0,
        last_publish=last_publish or 0,
        first_event=first_event,
        last_event=last_event,
        codec=codec,
    )
    return Named(entry, compacted is not None)


def _text(number: int | None) -> str:
    if number is None:
        return _ABSENT
    return str(number) if number >= 0 else f"n{-number}"


def _number(text: str) -> int | None:
    if text == _ABSENT:
        return None
    return -int(text[1:]) if text.startswith("n") else int(text)
