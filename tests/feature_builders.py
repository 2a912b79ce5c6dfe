"""Builders for the tests of features: events, feature files, a table and an oracle.

The oracle is written from the issue's words and shares no code with the modules under test.
"""

import datetime
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from schemas.cells import RowChange
from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.feature_set import parse_features
from schemas.packs import EventPack, RawPack
from schemas.sketches import sketch_of
from schemas.tiles import ReadCell
from transforms.entity_shard import EntityShard
from transforms.feature_program import FeatureProgram
from transforms.row_cells import Definitions, Tally

HOUR = 3_600_000_000
BASE = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
CONTRACTS = load_contracts()
DECODER = Decoder(CONTRACTS)

FEATURES = parse_features(
    """
entity: user
key: user_id
tile: 1h
state:
  - {name: last_page, field: event_details.page}
features:
  - {name: views, aggregate: count}
  - {name: timed, aggregate: count, field: event_details.duration_ms}
  - {name: total, aggregate: sum, field: event_details.duration_ms, tile: 5m}
  - {name: least, aggregate: min, field: event_details.duration_ms}
  - {name: most, aggregate: max, field: event_details.duration_ms}
  - {name: pages, aggregate: approx_distinct, field: event_details.page}
  - {name: final, aggregate: last, field: event_details.page}
""",
    "test.yaml",
    CONTRACTS,
)


class View(NamedTuple):
    """One page view, in the terms of the oracle."""

    event_id: str
    user: str
    time: int
    page: str
    duration: int | None


def view_bytes(view: View) -> bytes:
    moment = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    moment += datetime.timedelta(microseconds=view.time)
    details = {"page": view.page, "platform": "web", "duration_ms": view.duration}
    return json.dumps(
        {
            "event_id": view.event_id,
            "event_type": "page_view",
            "user_id": view.user,
            "event_timestamp": moment.isoformat(),
            "event_details": details,
        }
    ).encode()


def pack_of(views: Sequence[View], watermark: int = MIN_MICROS) -> EventPack:
    digests = [hashlib.blake2b(v.event_id.encode(), digest_size=16).digest() for v in views]
    raw = RawPack([view_bytes(view) for view in views])
    return EventPack(digests, digests, [view.time for view in views], raw, watermark)


def program() -> FeatureProgram:
    return FeatureProgram(CONTRACTS, [FEATURES])


def shard(
    horizon: int = HOUR, covers_from: int = MIN_MICROS, covers_to: int = MAX_MICROS
) -> EntityShard:
    return EntityShard(Definitions([FEATURES]), horizon, covers_from, covers_to)


def changes_of(views: Iterable[View], late: bool = False) -> Any:
    """What a bundle of these events changes, as it travels."""
    from schemas.changes import ChangePack  # noqa: PLC0415
    from schemas.coders import StructCoder  # noqa: PLC0415

    gathered = program()
    for view in views:
        gathered.add(DECODER.reread(view_bytes(view), {}), view.time, late)
    coder = StructCoder(ChangePack)
    return coder.decode(coder.encode(ChangePack(list(gathered.take()))))


def written_by(
    shard: EntityShard, views: Sequence[View], lower: int = MIN_MICROS, tally: Tally | None = None
) -> list[RowChange]:
    """What a shard writes when one bundle of these events reaches it."""
    tally = tally or Tally()
    kept = shard.absorb(changes_of(views), lower, tally)
    return list(shard.changes(kept, tally))


class Table:
    """Bigtable as far as the layout relies on it."""

    def __init__(self) -> None:
        self._cells: dict[bytes, dict[tuple[str, str], dict[int, bytes]]] = {}

    def write(self, changes: Iterable[RowChange]) -> "Table":
        for change in changes:
            row = self._cells.setdefault(change.row_key, {})
            for clear in change.clears:
                versions = row.get((clear.family, clear.qualifier), {})
                for timestamp in [t for t in versions if clear.start <= t < clear.end]:
                    del versions[timestamp]
            for cell in change.cells:
                versions = row.setdefault((cell.family, cell.qualifier), {})
                for timestamp in list(versions):
                    if (
                        cell.clear_from is not None
                        and cell.clear_from <= timestamp < cell.timestamp
                    ):
                        del versions[timestamp]
                versions[cell.timestamp] = cell.value
        return self

    def rows(self) -> dict[bytes, list[ReadCell]]:
        """All rows; family `s` keeps one version."""
        return {
            key: [
                (family, qualifier, timestamp, versions[timestamp])
                for (family, qualifier), versions in sorted(row.items())
                for timestamp in sorted(versions)[0 if family == "t" else -1 :]
            ]
            for key, row in self._cells.items()
        }

    def final(self) -> dict[bytes, dict[tuple[str, str, int], tuple[int, bytes]]]:
        """Of each state field and each tile the version that a reader takes, with its bytes."""
        tiles = {feature.name: feature.tile for feature in FEATURES.features}
        found: dict[bytes, dict[tuple[str, str, int], tuple[int, bytes]]] = {}
        for key, cells in self.rows().items():
            for family, qualifier, timestamp, value in cells:
                length = tiles.get(qualifier, 0) if family == "t" else 0
                start = timestamp - timestamp % length if length else 0
                place = (family, qualifier, start)
                found.setdefault(key, {})[place] = (timestamp, value)
        return found


def expected(views: Iterable[View]) -> dict[bytes, dict[tuple[str, str, int], tuple[int, bytes]]]:
    """The oracle: what `Table.final` must be when each of these events counted once."""
    rows: dict[bytes, dict[tuple[str, str, int], tuple[int, bytes]]] = {}
    unique = {view.event_id: view for view in views}.values()
    for user in {view.user for view in unique}:
        mine = sorted(
            (view for view in unique if view.user == user),
            key=lambda v: (v.time // 1000, v.event_id),
        )
        key = f"{hashlib.sha256(user.encode()).hexdigest()[:2]}#user#{user}".encode()
        rows[key] = _expected_row(mine)
    return rows


def _int(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def _expected_row(mine: list[View]) -> dict[tuple[str, str, int], tuple[int, bytes]]:
    last = mine[-1]
    row = {("s", "last_page", 0): (last.time // 1000 * 1000, last.page.encode())}
    for length, names in (
        (HOUR, ("views", "timed", "least", "most", "pages", "final")),
        (HOUR // 12, ("total",)),
    ):
        for start in {view.time // length * length for view in mine}:
            inside = [view for view in mine if start <= view.time < start + length]
            timed = [view.duration for view in inside if view.duration is not None]
            values = {
                "views": (len(inside), _int(len(inside))),
                "pages": (len(inside), sketch_of({view.page for view in inside})),
                "final": (len(inside), inside[-1].page.encode()),
            }
            if timed:
                numbers = {
                    "timed": len(timed),
                    "total": sum(timed),
                    "least": min(timed),
                    "most": max(timed),
                }
                values |= {name: (len(timed), _int(number)) for name, number in numbers.items()}
            for name in names:
                if name in values:
                    n, value = values[name]
                    row["t", name, start] = (start + n * 1000, value)
    return row
