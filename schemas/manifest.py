"""The manifest of the archive: one small immutable file beside each object, whose name tells all.

To plan over a month is to list names: nothing has to be opened. An object without its entry is an
orphan of a retry that did not come to its end; an entry is written after its object is complete.
Compaction adds objects with their entries first, and then, as one more file, the record of what
they replace.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from schemas.archive_avro import CODECS, BadObjectError, Fault, digest_of, read_blocks
from schemas.packs import RawPack

__all__ = [
    "ENTRY_SUFFIX",
    "OBJECT_SUFFIX",
    "RECORD_SUFFIX",
    "ManifestEntry",
    "Replacement",
    "View",
    "counting",
    "parse_name",
    "view",
]

OBJECT_SUFFIX = ".avro"
ENTRY_SUFFIX = ".entry.json"
RECORD_SUFFIX = ".replaced.json"
_HELD_BYTES = 64_000_000
_ABSENT = "x"
_COUNT = r"([0-9]{1,18})"
_TIME = r"(n?[0-9]{1,19})"
_MAYBE = r"(n?[0-9]{1,19}|x)"
_NAME = re.compile(
    rf"([0-9a-f]{{32}})\.{_COUNT}-{_COUNT}-{_TIME}-{_TIME}-{_MAYBE}-{_MAYBE}"
    rf"-({'|'.join(CODECS)}){re.escape(ENTRY_SUFFIX)}"
)


class ManifestEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one object; times in microseconds since the epoch.

    `digest` is that of the object's bytes and names it, `size` is their number, `events` that of
    its messages. Event times are None where no attribute tells them. `codec` is one of `CODECS`.
    """

    digest: str
    events: int
    size: int
    first_publish: int
    last_publish: int
    first_event: int | None = None
    last_event: int | None = None
    codec: str

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
        return f"{self.digest}.{numbers}-{self.codec}{ENTRY_SUFFIX}"

    def to_json(self) -> bytes:
        """Return the content of the entry's file: the same as its name."""
        return msgspec.json.encode(self)

    def read(self, content: bytes | None) -> RawPack:
        """Return all messages of the object that this is the entry of; otherwise as `packs`."""
        return RawPack.join(self.packs(content))

    def packs(self, content: bytes | None) -> Iterator[RawPack]:
        """Prove that an object is the one that this is the entry of, and whole; then decode it.

        The messages come in their order, in packs of some MB. A small object is decoded once. Of a
        large one no more than a pack is held, so it is decoded once as proof, and then again.

        Raises, before the first message is yielded:
            BadObjectError: there is none (None), or it is not the one that was written.
        """
        if content is None:
            raise BadObjectError(Fault.MISSING, "no such object, but the manifest names it")
        held: list[RawPack] = []
        events = size = 0
        for pack in read_blocks(content, self.codec):
            events += len(pack)
            size += pack.estimated_bytes()
            held = [*held, pack] if size <= _HELD_BYTES else []
        if digest_of(content) != self.digest:
            detail = f"cut or damaged: {len(content)} bytes do not have the digest in its name"
            raise BadObjectError(Fault.DAMAGED, detail)
        if events != self.events:
            detail = f"holds {events} messages, but the manifest says {self.events}"
            raise BadObjectError(Fault.DAMAGED, detail)
        return iter(held) if size <= _HELD_BYTES else read_blocks(content, self.codec)

    @classmethod
    def of(
        cls, pack: RawPack, content: bytes, codec: str, event_times: list[int] | None = None
    ) -> "ManifestEntry":
        """Return the entry of an object that holds a pack, at least one message, in their order.

        `event_times`, in microseconds: of every message, None if that of any is unknown.
        """
        published = [time for time in pack.publish_times or [] if time is not None]
        return cls(
            digest=digest_of(content),
            events=len(pack),
            size=len(content),
            first_publish=min(published),
            last_publish=max(published),
            first_event=min(event_times) if event_times else None,
            last_event=max(event_times) if event_times else None,
            codec=codec,
        )


class Replacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What compaction has done in an hour, by the objects' digests: these stand for those."""

    outputs: tuple[str, ...]
    replaces: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the record's file in its hour's folder; equal records have equal names."""
        return digest_of(self.to_json()) + RECORD_SUFFIX

    def to_json(self) -> bytes:
        """Return the content of the record's file."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> "Replacement":
        """Read a record's file; a `msgspec.DecodeError` means that it is none."""
        try:
            return msgspec.json.decode(content, type=cls)
        except UnicodeDecodeError:
            msg = "not UTF-8"
            raise msgspec.DecodeError(msg) from None


class View(NamedTuple):
    """The manifest of an hour: the entries that count, and those that others stand for."""

    current: tuple[ManifestEntry, ...]
    replaced: tuple[ManifestEntry, ...]


def counting(records: Iterable[Replacement], entered: Collection[str]) -> list[Replacement]:
    """Return the records that count: of each, every output is entered or stood for by another one.

    So what was replaced once stays replaced when its output has been replaced and deleted as well.

    >>> first, then = Replacement(("c",), ("a", "b")), Replacement(("d",), ("c",))
    >>> len(counting([first, then], "ad")), len(counting([first, then], "ab"))
    (2, 0)
    """
    known, found = set(entered), list[Replacement]()
    waiting = [record for record in records if record.outputs]
    while True:
        ready = [record for record in waiting if known.issuperset(record.outputs)]
        if not ready:
            return found
        waiting = [record for record in waiting if not known.issuperset(record.outputs)]
        found += ready
        known.update(digest for record in ready for digest in record.replaces)


def view(entries: Iterable[ManifestEntry], records: Iterable[Replacement]) -> View:
    """Return which objects of an hour count, whatever workers and compactions did at once.

    An object is replaced where a record says so that counts (`counting`): half a compaction
    replaces nothing, and objects that stand for each other all stay. Of several entries of one
    object, which happens where two jobs know different event times, the one that knows least
    counts.

    >>> old, new = (ManifestEntry(digest=d * 32, events=1, size=1, first_publish=0,
    ...     last_publish=0, codec="null") for d in "ab")
    >>> [entry.digest[0] for entry in view([old, new], [Replacement(("b" * 32,), ("a" * 32,))])[0]]
    ['b']
    """
    known: dict[str, ManifestEntry] = {}
    for entry in sorted(entries, key=_knowledge):
        known[entry.digest] = entry
    stand_for: dict[str, set[str]] = {}
    for record in counting(records, known):
        for digest in set(record.replaces).difference(record.outputs):
            stand_for.setdefault(digest, set()).update(record.outputs)
    gone = {digest for digest in stand_for if not _returns(digest, stand_for)}
    ordered = sorted(known.values(), key=lambda entry: (entry.first_publish, entry.digest))
    return View(
        tuple(entry for entry in ordered if entry.digest not in gone),
        tuple(entry for entry in ordered if entry.digest in gone),
    )


def parse_name(name: str) -> ManifestEntry | None:
    """Return the entry that a file's name tells; None for the names of other files."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    digest, events, size, *times, codec = found.groups()
    first_publish, last_publish, first_event, last_event = map(_number, times)
    entry = ManifestEntry(
        digest=digest,
        events=int(events),
        size=int(size),
        first_publish=first_publish or 0,
        last_publish=last_publish or 0,
        first_event=first_event,
        last_event=last_event,
        codec=codec,
    )
    return entry


def _returns(digest: str, stand_for: Mapping[str, set[str]]) -> bool:
    """Return whether an object stands for itself in the end: then it has to stay."""
    waiting, seen = list(stand_for[digest]), set(stand_for[digest])
    while waiting:
        following = stand_for.get(waiting.pop(), set()) - seen
        seen |= following
        waiting += following
    return digest in seen


def _knowledge(entry: ManifestEntry) -> tuple[bool, str]:
    return entry.first_event is None, entry.name


def _text(number: int | None) -> str:
    if number is None:
        return _ABSENT
    return str(number) if number >= 0 else f"n{-number}"


def _number(text: str) -> int | None:
    if text == _ABSENT:
        return None
    return -int(text[1:]) if text.startswith("n") else int(text)
