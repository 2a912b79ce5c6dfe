"""What must hold after a seed of the loop: plain comparisons, which yield what does not.

They take what the stores and the counters hold, and what the oracle says, as plain data, so that a
wrong store can be made up to see that they find it.
"""

import hashlib
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple, TypeAlias

from datasketches import compact_theta_sketch

from chaos.loop_oracle import OracleCell
from chaos.verdict import Violation

__all__ = [
    "CONSERVATION",
    "ORACLE",
    "REPLAY",
    "Folded",
    "Place",
    "Wanted",
    "archive_violations",
    "cell_violations",
    "count_violations",
    "places_of",
    "refusal_violations",
    "replay_violations",
    "row_violations",
]

CONSERVATION, ORACLE, REPLAY = "conservation", "rows_equal_oracle", "replay_equals_live"
"""The promises."""

Place: TypeAlias = tuple[str, str, str, int]
"""Row key, family, qualifier and start of the tile, 0 of a last value; microseconds."""
Folded: TypeAlias = Mapping[Place, tuple[int, bytes]]
"""What readers see of a table: time in microseconds and value of each place."""

_SHOWN = 3
_MILLI = 1_000
_INTEGER = struct.Struct(">q")


class Wanted(NamedTuple):
    """What a place of a table must hold: the cell's time in microseconds, form and value."""

    timestamp: int
    form: str
    value: str


def archive_violations(
    published: Mapping[str, tuple[bytes, Mapping[str, str]]],
    archived: Mapping[str, tuple[bytes, Mapping[str, str]]],
) -> Iterator[Violation]:
    """Yield what of the published messages the archive lacks, has too much, or has otherwise.

    >>> [found.told for found in archive_violations({"m1": (b"a", {})}, {})]
    ['the archive lacks 1 of 1 messages: m1']
    """
    lacking, surplus = published.keys() - archived.keys(), archived.keys() - published.keys()
    changed = {key for key in published.keys() & archived.keys() if published[key] != archived[key]}
    of = f"of {len(published)} messages"
    if lacking:
        yield Violation(CONSERVATION, f"the archive lacks {len(lacking)} {of}: {_some(lacking)}")
    if surplus:
        yield Violation(CONSERVATION, f"the archive has {len(surplus)} more: {_some(surplus)}")
    if changed:
        told = f"the archive has other bytes for {len(changed)} {of}: {_some(changed)}"
        yield Violation(CONSERVATION, told)


def count_violations(
    name: str, counted: Mapping[str, Any], events: int, published: int
) -> Iterator[Violation]:
    """Yield what does not add up in the counters of a run that has read everything.

    Args:
        name: of the run.
        counted: its counters.
        events: how many events there are, by the oracle: what is accepted or late.
        published: how many messages there are; more are read where they come again.
    """
    found = counted["accepted"] + counted.get("late", 0)
    refused = counted.get("refused", 0) + counted.get("rows_refused", 0)
    read = counted["read"]
    parts = found + counted["duplicate"] + counted["conflict"] + sum(counted["rejected"].values())
    handed = counted.get("mutations", counted.get("rows"))
    written = counted.get("written", counted.get("rows_written", 0))
    wrong = {
        f"read {read}, and {parts} in its parts": read != parts,
        f"read {read} of {published} messages": read < published,
        f"{found} events accepted or late, and {events} are right": found != events,
        f"handed {handed} to its sink, and {written} written, {refused} refused": handed
        != written + refused,
        f"{refused} refused by its sink": refused > 0,
        "withheld what it covers": bool(counted.get("tiles_withheld")),
    }
    for told in (told for told, holds in wrong.items() if holds):
        yield Violation(CONSERVATION, f"{name}: {told}")


def refusal_violations(
    name: str,
    found: Set[tuple[str, str]],
    wanted: Set[tuple[str, str]],
    rivals: Mapping[str, str],
) -> Iterator[Violation]:
    """Yield how a quarantine differs from what has to be refused, as message ids and reasons.

    Args:
        name: of the run.
        found: what is in the quarantine.
        wanted: what decoding has to refuse.
        rivals: the event id of each message whose id is in conflict: of each at least one message
            is refused, whichever was not kept.
    """
    conflicts = {message for message, reason in found if reason == "id_conflict"}
    decoding = {each for each in found if each[1] != "id_conflict"}
    if lacking := wanted - decoding:
        yield Violation(CONSERVATION, f"{name}: {len(lacking)} refused messages are not kept")
    if surplus := decoding - wanted:
        reasons = _some({reason for _, reason in surplus})
        yield Violation(ORACLE, f"{name}: {len(surplus)} messages refused too much: {reasons}")
    if strangers := conflicts - rivals.keys():
        yield Violation(ORACLE, f"{name}: {len(strangers)} messages are in no conflict")
    if silent := set(rivals.values()) - {rivals.get(message) for message in conflicts}:
        yield Violation(CONSERVATION, f"{name}: {len(silent)} ids in conflict are not listed")


def places_of(
    cells: Iterable[OracleCell], disputed: Collection[tuple[str, str]]
) -> dict[Place, Wanted]:
    """Return where the oracle's cells stand in a table, but for rows that are disputed."""
    found = {}
    for cell in cells:
        if (cell.entity, cell.key) in disputed:
            continue
        tile = cell.at * _MILLI if cell.n else 0
        place = (row_key(cell.entity, cell.key), "t" if cell.n else "s", cell.name, tile)
        found[place] = Wanted((cell.at + cell.n) * _MILLI, cell.form, cell.value)
    return found


def row_key(entity: str, key: str) -> str:
    """Return the row key of docs/bigtable.md.

    >>> row_key("user", "u1")
    'bb#user#u1'
    """
    return f"{hashlib.sha256(key.encode()).hexdigest()[:2]}#{entity}#{key}"


def cell_violations(
    name: str,
    table: Folded,
    wanted: tuple[Mapping[Place, Wanted], Mapping[Place, Wanted]],
    hidden: Collection[str],
    *,
    between: bool = False,
) -> Iterator[Violation]:
    """Yield what of a table is not as the oracle says.

    Args:
        name: of the table.
        table: what is in it.
        wanted: without late events in tiles, and with them; twice the same where nothing is late.
        hidden: row keys that may hold either of two contents.
        between: whether some late events may be in their tiles and others not: what was late in
            one run may have been in time in another.
    """
    places = {*table, *wanted[0], *wanted[1]}
    wrong = [
        place
        for place in sorted(places)
        if place[0] not in hidden
        and not _holds(table.get(place), wanted[0].get(place), wanted[1].get(place), between)
    ]
    if wrong:
        told = (
            f"{name}: {len(wrong)} of {len(places)} places are wrong: {_some(map(_named, wrong))}"
        )
        yield Violation(ORACLE, told)


def replay_violations(
    name: str, live: Folded, replay: Folded, hidden: Collection[str], late: Set[Place]
) -> Iterator[Violation]:
    """Yield where live and replay differ, but for the tiles of late events."""
    differing = {place for place, _ in live.items() ^ replay.items()} - late
    wrong = sorted(place for place in differing if place[0] not in hidden)
    if wrong:
        told = f"{name}: {len(wrong)} places differ: {_some(map(_named, wrong))}"
        yield Violation(REPLAY, told)


def row_violations(
    promise: str, name: str, found: Mapping[Any, Any], wanted: Mapping[Any, Any]
) -> Iterator[Violation]:
    """Yield what of some rows, by their keys, is not as it must be."""
    keys = found.keys() | wanted.keys()
    wrong = [key for key in keys if found.get(key) != wanted.get(key)]
    if wrong:
        told = f"{name}: {len(wrong)} of {len(keys)} rows are wrong: {_some(map(str, wrong))}"
        yield Violation(promise, told)


def _holds(
    held: tuple[int, bytes] | None, less: Wanted | None, full: Wanted | None, between: bool
) -> bool:
    if not between or less == full:
        return _is(held, less)
    low = less.timestamp if less else 0
    inside = held is not None and full is not None and low < held[0] < full.timestamp
    return inside or _is(held, less) or _is(held, full)


def _is(held: tuple[int, bytes] | None, wanted: Wanted | None) -> bool:
    if held is None or wanted is None:
        return held is None and wanted is None
    timestamp, value = held
    if timestamp != wanted.timestamp:
        return False
    if wanted.form == "distinct":
        estimate = compact_theta_sketch.deserialize(value).get_estimate()
        return bool(int(wanted.value) == round(estimate))
    if wanted.form == "integer":
        return value == _INTEGER.pack(int(wanted.value))
    return value == wanted.value.encode()


def _named(place: Place) -> str:
    return " ".join(map(str, place[:3])) + (f" tile {place[3]}" if place[3] else "")


def _some(found: Iterable[str]) -> str:
    listed = sorted(found)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
