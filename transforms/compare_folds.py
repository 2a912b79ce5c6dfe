"""Compares what Bigtable serves with what curated events add up to, for a sample of entities."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from schemas.cells import row_key
from schemas.contract_set import Contracts
from schemas.coverage import Coverage
from schemas.curated_records import CuratedRecord, Paths
from schemas.feature_set import FeatureSet
from schemas.fold_findings import ComparedFolds, WrongTile
from schemas.tiles import ReadCell, tile_start
from schemas.times import micros
from transforms.feature_program import FeatureProgram, feature_paths
from transforms.record_fields import RecordFields
from transforms.row_cells import Definitions, Tally

__all__ = ["Sampling", "compare_folds", "feature_row_paths"]

ReadTiles: TypeAlias = Callable[[Iterable[bytes]], Iterable[tuple[bytes, list[ReadCell]]]]
"""Gives the tile cells of some rows, of every version."""

_Tile: TypeAlias = tuple[str, int]
"""A feature and where a tile of it begins, in microseconds."""

_SHOWN = 20


class Sampling(NamedTuple):
    """What is compared: tiles of a span of event time, of so many entities of each set.

    Tiles that begin longer ago than a set's retention before `now` may be gone, and are left out.
    """

    span: Coverage
    most: int
    now: int

    def kept(self, features: FeatureSet) -> Coverage:
        """Return the span in which all tiles of a set are there."""
        return Coverage(max(self.span.start, self.now - features.retention + 1), self.span.end)


def feature_row_paths(sets: Iterable[FeatureSet]) -> Paths:
    """Return what features read, by event type; types that change no tile are left out."""
    kept = list(sets)
    types = {name for each in kept for feature in each.features for name in feature.event_types}
    return {name: feature_paths(kept, name) for name in sorted(types)}


def compare_folds(
    contracts: Contracts,
    sets: Iterable[FeatureSet],
    records: Iterable[CuratedRecord],
    late: set[str],
    read_tiles: ReadTiles,
    sampling: Sampling,
) -> ComparedFolds:
    """Fold records by the features themselves, and compare with the highest version of each tile.

    The sample of each set are the entities whose ids have the least SHA-256: the same whenever the
    rows are, whatever order they come in. All their tiles are compared that lie wholly in the span
    and no retention has removed. Records that are in no sample are not kept.

    Args:
        contracts: of all event types.
        sets: of the features.
        records: the current row of each event of the span, once through.
        late: ids of events that came too late for their tiles.
        read_tiles: of the table.
        sampling: what is compared.
    """
    found = ComparedFolds()
    samples = [_Sample(contracts, each, sampling.most) for each in sets if each.features]
    for record in records:
        for sample in samples:
            sample.add(record)
    for sample in samples:
        kept = sampling.kept(sample.features)
        tiles = dict(read_tiles(sample.keys()))
        for key, entity_id in sample.keys().items():
            found.entities += 1
            cells = tiles.get(key, [])
            _compare(found, sample, entity_id, sample.served(cells, kept), late, kept)
    return found


class _Sample:
    """The entities of one set with the least digests, and the records of each."""

    def __init__(self, contracts: Contracts, features: FeatureSet, most: int) -> None:
        self.features = features
        self._contracts, self._most = contracts, most
        self._definitions = Definitions([features])
        self._types = {name for each in features.features for name in each.event_types}
        self._fields: dict[str, RecordFields] = {}
        self._records: dict[bytes, tuple[str, list[CuratedRecord]]] = {}
        self._greatest = b""

    def add(self, record: CuratedRecord) -> None:
        """Keep a record while its entity is in the sample: what has left it never comes back."""
        event_type = type(record).__struct_config__.tag
        if event_type not in self._types:
            return
        value = self._entity(event_type, record)
        if value is None:
            return
        digest = hashlib.sha256(str(value).encode()).digest()
        held = self._records.get(digest)
        if held is not None:
            held[1].append(record)
            return
        if len(self._records) < self._most:
            self._records[digest] = (str(value), [record])
        elif digest < self._greatest:
            del self._records[self._greatest]
            self._records[digest] = (str(value), [record])
        else:
            return
        self._greatest = max(self._records)

    def keys(self) -> dict[bytes, str]:
        """Return the row key and id of each entity."""
        ids = sorted(entity_id for entity_id, _ in self._records.values())
        return {row_key(self.features.entity, entity_id): entity_id for entity_id in ids}

    def tiles(self, entity_id: str, span: Coverage, among: set[str] | None = None) -> Any:
        """Return the value of each tile of an entity; of some events only, where they are given."""
        digest = hashlib.sha256(entity_id.encode()).digest()
        program = FeatureProgram(self._contracts, [self.features])
        for record in self._records[digest][1]:
            if among is None or record.event_id in among:
                program.add(record, micros(record.event_timestamp), late=False)
        found: dict[_Tile, bytes] = {}
        for part in program.take():
            for cell in self._definitions.cells(part, Tally()):
                # Cells of last values clear nothing: they are no tiles.
                if cell.clear_from is not None:
                    found[cell.qualifier, cell.clear_from] = cell.value
        return self._inside(found, span)

    def served(self, cells: Iterable[ReadCell], span: Coverage) -> dict[_Tile, bytes]:
        """Return what a reader takes of a row: the highest version of each tile."""
        lengths = {feature.name: feature.tile for feature in self.features.features}
        found: dict[_Tile, bytes] = {}
        for _, name, timestamp, value in sorted(cells, key=lambda cell: cell[2]):
            if name in lengths:
                found[name, tile_start(timestamp, lengths[name])] = value
        return self._inside(found, span)

    def _inside(self, tiles: Mapping[_Tile, bytes], span: Coverage) -> dict[_Tile, bytes]:
        lengths = {feature.name: feature.tile for feature in self.features.features}
        return {
            (name, start): value
            for (name, start), value in tiles.items()
            if span.holds(start, lengths[name])
        }

    def _entity(self, event_type: str, record: CuratedRecord) -> Any:
        fields = self._fields.get(event_type)
        if fields is None:
            fields = RecordFields(self._contracts, event_type, [self.features.key])
            self._fields[event_type] = fields
        return fields.read(record, 0)[fields.index[self.features.key]]


def _compare(
    found: ComparedFolds,
    sample: _Sample,
    entity_id: str,
    served: Mapping[_Tile, bytes],
    late: set[str],
    span: Coverage,
) -> None:
    folded = sample.tiles(entity_id, span)
    differing = {tile for tile in {*folded, *served} if folded.get(tile) != served.get(tile)}
    found.tiles += len({*folded, *served})
    excused = {*sample.tiles(entity_id, span, late)} & differing if differing else set()
    found.late += len(excused)
    found.wrong += len(differing - excused)
    for name, start in _first(differing - excused, _SHOWN - len(found.shown)):
        problem = _problem(folded.get((name, start)), served.get((name, start)))
        wrong = WrongTile(sample.features.entity, entity_id, name, start, problem)
        found.shown.append(wrong)


def _first(tiles: Iterable[_Tile], most: int) -> Iterator[_Tile]:
    yield from sorted(tiles)[: max(0, most)]


def _problem(folded: bytes | None, served: bytes | None) -> str:
    if served is None:
        return "not in the table"
    return "in the table only" if folded is None else "another value"
