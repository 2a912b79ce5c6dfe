"""What the proof compares: folded tables, raw cells, quarantines, counters and the archive."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from local.compare_rows import Folding
from local.generate import Message
from local.prove_stream import rejected_of, rivals_of
from local.tables import read_rows
from schemas.bigtable_table import TableName
from schemas.cells import TILE_FAMILY
from schemas.feature_set import FeatureSet
from schemas.rejected import Reason
from transforms.archive_manifest import list_hours, read_marker
from transforms.object_store import read_object
from transforms.quarantine import read_quarantine

__all__ = [
    "ArchiveWatch",
    "Place",
    "Snapshot",
    "disputed",
    "late_tiles",
    "quarantine_problems",
    "snapshot",
    "unbalanced",
    "unlike",
]

Place: TypeAlias = tuple[str, str, str, int]
"""Row key, family, qualifier and start of the tile, 0 of a last value; microseconds."""

_PARTS = ("accepted", "duplicate", "conflict", "late")
_MILLI = 1_000


class Snapshot(NamedTuple):
    """A table at a moment: what its readers see of each place, and all cells."""

    folded: dict[Place, tuple[int, bytes]]
    cells: list[tuple[str, str, str, int, bytes]]

    def older(self, family: str) -> int:
        """Return how many cells of a family no reader takes, since there is a newer version."""
        raw = sum(cell[1] == family for cell in self.cells)
        return raw - sum(place[1] == family for place in self.folded)


def snapshot(table: str, features: Iterable[FeatureSet]) -> Snapshot:
    """Read a table whole."""
    folding = Folding(features)
    found = Snapshot({}, [])
    for row in read_rows(TableName.parse(table)):
        key = row[0].decode()
        found.cells.extend((key, *cell) for cell in row[1])
        for (family, qualifier, start), held in folding.fold(row).items():
            found.folded[key, family, qualifier, start] = held
    return found


def unlike(one: Snapshot, other: Snapshot, without: Set[str]) -> set[Place]:
    """Return the places that are not the same, byte by byte, but for those of some rows."""
    differing = {place for place, _ in one.folded.items() ^ other.folded.items()}
    return {place for place in differing if place[0] not in without}


def disputed(truth: Mapping[str, Any]) -> set[str]:
    """Return the rows that ids in conflict touch."""
    return {key for key, rows in truth["rows"].items() if "if" in rows[0]}


def late_tiles(live: Mapping[str, Any], full: Mapping[str, Any]) -> set[Place]:
    """Return the tiles that late events belong to: those that differ between the two truths."""
    tiles = [set(_tiles(truth)) for truth in (live, full)]
    return {place for place, _ in tiles[0] ^ tiles[1]}


def _tiles(truth: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    for key, rows in truth["rows"].items():
        for feature, tiles in rows[0]["tiles"].items():
            for start, content in tiles.items():
                place = (key, TILE_FAMILY, feature, int(start) * _MILLI)
                yield place, repr(sorted(content.items()))


def unbalanced(name: str, counted: Mapping[str, Any]) -> list[str]:
    """Return what does not add up in the counters of a run."""
    parts = sum(counted[part] for part in _PARTS) + sum(counted["rejected"].values())
    problems = {
        f"{name}: read {counted['read']}, and {parts} in its parts": counted["read"] != parts,
        f"{name}: mutations are not written + refused": counted["mutations"]
        != counted["written"] + counted["refused"],
        f"{name}: {counted['refused']} mutations refused": counted["refused"] > 0,
    }
    return [problem for problem, found in problems.items() if found]


def quarantine_problems(
    name: str, folders: Iterable[str], messages: Sequence[Message]
) -> Iterator[str]:
    """Yield how a quarantine differs from what has to be refused, as a set of bytes and reasons.

    Of two messages with one id either may be refused, but one of them must be.
    """
    records = [record for folder in folders for record in read_quarantine(folder)]
    rivals = rivals_of(messages)
    found = {(record.payload, record.reason) for record in records}
    conflicts = {payload for payload, reason in found if reason == Reason.ID_CONFLICT.value}
    others = {each for each in found if each[0] not in conflicts}
    wanted = rejected_of(messages)
    if missing := wanted - others:
        yield f"{name}: {len(missing)} refused messages are not in the quarantine"
    if surplus := others - wanted:
        reasons = ", ".join(sorted({reason for _, reason in surplus}))
        yield f"{name}: {len(surplus)} records in the quarantine too much ({reasons})"
    if {rivals.get(payload) for payload in conflicts} != set(rivals.values()):
        yield f"{name}: the ids in conflict are not those of the stream"


@dataclass
class ArchiveWatch:
    """Looks at an archive while it grows, and tells whether its marker ever was ahead of it.

    Args:
        root: of the archive.
        source: the only one that is looked at.
    """

    root: str
    source: str

    def __post_init__(self) -> None:
        self.samples: list[tuple[int, Set[str]]] = []
        self._rows: dict[str, dict[str, int]] = {}

    @property
    def marker(self) -> int:
        """Up to when the archive says that it is complete; 0 where it says nothing."""
        return read_marker(self.root, self.source) or 0

    def look(self) -> None:
        """Note the marker, and then the objects of the manifest."""
        marker = self.marker
        self.samples.append((marker, set(self._objects())))

    def messages(self) -> dict[str, int]:
        """Return the publish time of each message in the archive, by its id."""
        return {id_: time for rows in self._read().values() for id_, time in rows.items()}

    def ahead(self) -> int:
        """Return how many looks found a marker ahead of what the archive held; after the end."""
        rows, everything = self._read(), self.messages()
        found = 0
        for marker, objects in self.samples:
            held = {id_ for path in objects for id_ in rows[path]}
            found += any(time < marker for id_, time in everything.items() if id_ not in held)
        return found

    def _objects(self) -> dict[str, Any]:
        hours = list_hours(self.root, self.source)
        return {hour.path_of(entry): entry for hour in hours for entry in hour.entries}

    def _read(self) -> dict[str, dict[str, int]]:
        for path, entry in self._objects().items():
            if path not in self._rows:
                # Raises where digest, count or codec are not what the name tells.
                pack = entry.read(read_object(path) or b"")
                rows = [pack.row(number) for number in range(len(pack))]
                self._rows[path] = {row.message_id: row.publish_time or 0 for row in rows}
        return self._rows
