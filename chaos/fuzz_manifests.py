"""The fuzz target of manifests: the names in an hour's folder, and the records beside them."""

from collections.abc import Iterator
from random import Random

import msgspec

from chaos.fuzz_mutations import mutate_bytes, mutate_lines, one_of
from chaos.fuzz_target import Target, promise
from schemas.manifest import ENTRY_SUFFIX, ManifestEntry, Replacement, parse_name, view

__all__ = ["MANIFESTS"]

_DIGESTS = tuple(digit * 32 for digit in "abcdef")
_NUMBERS = (0, 1, 2**31, 10**17, -1, -(10**18), 1_770_000_000_000_000)
_RECORD = b"{"


def _check(data: bytes) -> None:
    """Read lines that are names of entries or records, and see which objects count."""
    entries: list[ManifestEntry] = []
    records: list[Replacement] = []
    for line in data.split(b"\n"):
        if line.startswith(_RECORD):
            records += _record(line)
        else:
            entries += _entry(line.decode("utf-8", "surrogateescape"))
    found = view(entries, records)
    promise(found == view(entries[::-1], records[::-1]), "a view depends on no order")
    current = {entry.digest for entry in found.current}
    replaced = {entry.digest for entry in found.replaced}
    promise(not current & replaced, "no object counts and is replaced")
    promise(current | replaced == {each.digest for each in entries}, "every object is in a view")
    promise(len(found.current) == len(current), "an object counts once")
    promise(bool(current) == bool(entries), "not all objects are replaced")


def _entry(name: str) -> list[ManifestEntry]:
    entry = parse_name(name)
    if entry is None:
        return []
    promise(name.endswith(ENTRY_SUFFIX), "an entry has its suffix")
    promise(parse_name(entry.name) == entry, "an entry's name tells all of it")
    written = msgspec.json.decode(entry.to_json(), type=ManifestEntry)
    promise(written == entry, "an entry's file says the same as its name")
    return [entry]


def _record(line: bytes) -> list[Replacement]:
    try:
        record = Replacement.from_json(line)
    except msgspec.DecodeError:
        return []
    promise(Replacement.from_json(record.to_json()) == record, "a record is read as it is written")
    return [record]


def _seeds() -> Iterator[bytes]:
    entries = [
        ManifestEntry(
            digest=digest, events=number, size=9, first_publish=-number, last_publish=7,
            first_event=number or None, last_event=number or None, codec=codec,
        ).name
        for number, (digest, codec) in enumerate(
            zip(_DIGESTS, ("zstd", "deflate", "null") * 2, strict=True)
        )
    ]  # fmt: skip
    first = Replacement(_DIGESTS[2:3], _DIGESTS[:2])
    then = Replacement(_DIGESTS[3:4], _DIGESTS[2:3])
    back = Replacement(_DIGESTS[:1], _DIGESTS[3:4])
    for records in ((), (first,), (first, then), (first, then, back)):
        lines = [*entries, *(record.to_json().decode() for record in records)]
        yield "\n".join(lines).encode()


def _mutate(data: bytes, random: Random) -> bytes:
    """Add a record or another entry of objects that may be there."""
    lines = data.split(b"\n")[:20]
    if random.randrange(2):
        some = tuple(random.choice(_DIGESTS) for _ in range(random.randrange(4)))
        lines.append(Replacement(some[:1], some[1:]).to_json())
    else:
        first, last = random.choice(_NUMBERS), random.choice(_NUMBERS)
        entry = ManifestEntry(
            digest=random.choice(_DIGESTS), events=abs(first), size=abs(last), first_publish=first,
            last_publish=last, codec=random.choice(("zstd", "deflate", "null")),
        )  # fmt: skip
        lines.append(entry.name.encode())
    return b"\n".join(lines)


MANIFESTS = Target(
    "manifests",
    "names are entries or none; one view of an hour in any order, each object in it once",
    _check,
    _seeds,
    one_of((2, _mutate), (1, mutate_lines), (1, mutate_bytes)),
    weight=60,
    max_bytes=4_096,
)
