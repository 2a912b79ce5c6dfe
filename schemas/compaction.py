"""What compaction merges and what it may delete, as the names in an hour's folder tell."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.archive_avro import CODECS
from schemas.manifest import ManifestEntry, Replacement, counting

__all__ = ["Choice", "Compaction", "Dated", "choose", "deletable"]

_DAY = 86_400_000_000


@dataclass(frozen=True)
class Compaction:
    """How an archive is compacted.

    Args:
        target_bytes: of an object; one of at least half of it stays as it is.
        grace: how long what is replaced, or was never entered, is kept; in microseconds.
        codec: of the objects that are written, one of `CODECS`.
        recompress: whether objects of another codec are written again, even large or single ones.
        max_bytes: of messages that are in memory at a time, decoded.
    """

    target_bytes: int = 128_000_000
    grace: int = _DAY
    codec: str = "zstd"
    recompress: bool = False
    max_bytes: int = 300_000_000

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            msg = f"codec={self.codec!r}: use one of {', '.join(CODECS)}"
            raise ValueError(msg)
        if min(self.target_bytes, self.max_bytes) < 1 or self.grace < 0:
            msg = f"{self}: give sizes of at least 1 and a grace of at least 0"
            raise ValueError(msg)

    def worth(self, entries: Collection[ManifestEntry]) -> bool:
        """Return whether it is of use to write these objects again."""
        return len(entries) > 1 or any(map(self.other_codec, entries))

    def other_codec(self, entry: ManifestEntry) -> bool:
        """Return whether an object is to be written again only because of its codec."""
        return self.recompress and entry.codec != self.codec


class Choice(NamedTuple):
    """What of an hour is merged.

    `halves`: compactions that were recorded but did not come to their end, and whose inputs all
    count still. What they have entered is there twice, and so it is no input.
    """

    inputs: tuple[ManifestEntry, ...]
    halves: tuple[Replacement, ...]

    def replaced_by(self, outputs: Sequence[str], inputs: Iterable[str]) -> Replacement:
        """Return the record of a merge: its outputs stand for its inputs.

        And for what halves have made of these inputs and of nothing else.

        >>> choice = Choice((), (Replacement(("x", "y"), ("a", "b")),))
        >>> choice.replaced_by(["z"], ["a", "b", "c"]).replaces
        ('a', 'b', 'c', 'x', 'y')
        >>> choice.replaced_by(["z"], ["a", "c"]).replaces
        ('a', 'c')
        """
        replaces = set(inputs)
        made = {
            output
            for half in self.halves
            if replaces.issuperset(half.replaces)
            for output in half.outputs
        }
        return Replacement(tuple(outputs), tuple(sorted((replaces | made).difference(outputs))))


class Dated(NamedTuple):
    """A record of a compaction, and since when it counts, in microseconds; None: not known."""

    record: Replacement
    since: int | None


def choose(
    current: Sequence[ManifestEntry],
    replaced: Sequence[ManifestEntry],
    records: Sequence[Replacement],
    how: Compaction,
) -> Choice:
    """Choose what to merge: the small objects of an hour, if there are two, in order.

    >>> small, large = (ManifestEntry(digest=d, events=1, size=s, first_publish=0, last_publish=0,
    ...     codec="zstd") for d, s in (("a", 40), ("b", 50)))
    >>> len(choose([small, large], [], [], Compaction(100)).inputs)
    0
    >>> len(choose([small, large], [], [], Compaction(101)).inputs)
    2
    """
    valid = {entry.digest for entry in current}
    known = valid.union(entry.digest for entry in replaced)
    halves = tuple(
        record
        for record in records
        if not known.issuperset(record.outputs) and valid.issuperset(record.replaces)
    )
    twice = {digest for half in halves for digest in half.outputs}
    inputs = tuple(
        entry
        for entry in current
        if entry.digest not in twice
        and (2 * entry.size < how.target_bytes or how.other_codec(entry))
    )
    return Choice(inputs if how.worth(inputs) else (), halves)


def deletable(
    current: Sequence[ManifestEntry],
    replaced: Sequence[ManifestEntry],
    records: Iterable[Dated],
    sizes: Mapping[str, int],
    before: int,
) -> list[str]:
    """Return the digests of replaced objects that may be deleted, in the order to do it in.

    Each is replaced by a record that counts since before the given time, and what stands for it in
    the end is there, with the size that the manifest tells. First goes what is replaced by what is
    replaced itself, so that no object comes back because its record has lost an output.

    Args:
        current: entries that count.
        replaced: entries that others stand for.
        records: of compactions.
        sizes: of the objects that are there, by digest.
        before: in microseconds.
    """
    known = {entry.digest for entry in (*current, *replaced)}
    given = list(records)
    counts = set(counting((each.record for each in given), known))
    valid = [each for each in given if each.record in counts]
    firm = _firm(current, valid, sizes)
    edges = [
        (digest, each)
        for each in valid
        for digest in set(each.record.replaces).difference(each.record.outputs)
        if digest in known
    ]
    aged = {
        digest
        for digest, each in edges
        if each.since is not None and each.since < before and firm.issuperset(each.record.outputs)
    }
    waiting = aged.intersection(entry.digest for entry in replaced)
    return _in_turn(waiting, [(digest, set(each.record.outputs)) for digest, each in edges])


def _firm(
    current: Sequence[ManifestEntry], valid: Sequence[Dated], sizes: Mapping[str, int]
) -> set[str]:
    """Return what is there, or stood for by what is there."""
    firm = {entry.digest for entry in current if sizes.get(entry.digest) == entry.size}
    while True:
        stood_for = {
            digest
            for each in valid
            if firm.issuperset(each.record.outputs)
            for digest in each.record.replaces
        }
        if stood_for <= firm:
            return firm
        firm |= stood_for


def _in_turn(waiting: set[str], edges: Sequence[tuple[str, set[str]]]) -> list[str]:
    turn: list[str] = []
    gone: set[str] = set()
    while True:
        needed = {out for digest, outputs in edges if digest not in gone for out in outputs}
        ready = sorted(waiting - needed - gone)
        if not ready:
            return turn
        turn += ready
        gone.update(ready)
