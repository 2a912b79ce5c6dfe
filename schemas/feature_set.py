"""Feature files: which values are kept of each entity, declared and not coded.

A file describes one entity: `entity`, `key` (a field path), `retention`, `tile` (the default),
`state` (last values: `name`, `field`, `where`) and `features` (aggregates over tiles: `name`,
`aggregate`, `field`, `where`, `tile`). docs/features.md tells how to write one.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from schemas.contract import Contracts
from schemas.declaration_entries import Entries, check_name, label_of
from schemas.declaration_file import declaration_files, read_text, read_yaml
from schemas.declaration_where import Condition
from schemas.durations import parse_duration
from schemas.feature_check import Scope, check_aggregate, check_key, scope_of
from schemas.feature_error import FEATURES, FeatureError
from schemas.values import ValueType

__all__ = [
    "Feature",
    "FeatureError",
    "FeatureSet",
    "StateField",
    "load_features",
    "parse_features",
]

SHIPPED = Path(__file__).parent / "features"

_MINUTE = 60_000_000
_DAY = 1_440 * _MINUTE
_LEAST_TILE = 5 * _MINUTE


class StateField(msgspec.Struct, frozen=True):
    """A last value: cell `s:<name>`. `slot` names this definition in saved state."""

    name: str
    field: str
    where: tuple[Condition, ...]
    event_types: tuple[str, ...]
    value: ValueType
    slot: int


class Feature(msgspec.Struct, frozen=True):
    """An aggregate over tiles: cells `t:<name>`.

    `tile` is in microseconds. `value` is the type of the aggregate, None for a sketch; `field` is
    None for a plain count. `slot` names this definition in saved state.
    """

    name: str
    aggregate: str
    field: str | None
    where: tuple[Condition, ...]
    event_types: tuple[str, ...]
    tile: int
    value: ValueType | None
    slot: int


class FeatureSet(msgspec.Struct, frozen=True):
    """All that is kept of one entity. `key` is a field path; `retention` is in microseconds."""

    entity: str
    key: str
    retention: int
    state: tuple[StateField, ...]
    features: tuple[Feature, ...]


class _RawState(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    field: str
    where: dict[str, Any] = {}


class _RawFeature(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    aggregate: str
    field: str | None = None
    where: dict[str, Any] = {}
    tile: str | None = None


class _RawSet(msgspec.Struct, forbid_unknown_fields=True):
    entity: str
    key: str
    retention: str = "30d"
    tile: str = "1h"
    state: list[Any] = []
    features: list[Any] = []


def load_features(location: str | None, contracts: Contracts) -> list[FeatureSet]:
    """Return the feature sets of a file or folder, local or `gs://`; None means the shipped ones.

    Raises:
        FeatureError: a file is missing or wrong; one line with file, feature and remedy.
        CredentialsError: a place in Cloud Storage, and no credentials.
    """
    where = str(SHIPPED) if location is None else location
    sets: dict[str, tuple[str, FeatureSet]] = {}
    for path in declaration_files(where, FEATURES):
        name = path.rsplit("/", 1)[-1]
        found = parse_features(read_text(path, FEATURES), name, contracts)
        if found.entity in sets:
            other = sets[found.entity][0]
            msg = f"{name}: entity '{found.entity}' is in {other} too; merge the files"
            raise FeatureError(msg)
        sets[found.entity] = (name, found)
    return [found for _, found in sets.values()]


def parse_features(text: str, file: str, contracts: Contracts) -> FeatureSet:
    """Return the feature set of one file's text; `file` names it in errors."""
    return _Parser(file, contracts).feature_set(text)


class _Parser:
    """Reads one file."""

    def __init__(self, file: str, contracts: Contracts) -> None:
        self._file = file
        self._entries = Entries(file, FEATURES)
        self._contracts = contracts

    def feature_set(self, text: str) -> FeatureSet:
        raw = self._entries.converted("file", read_yaml(text, self._file, FEATURES), _RawSet)
        retention = self._entries.at("retention", parse_duration, raw.retention)
        default = self._tile("tile", raw.tile, retention)
        self._entries.at("entity", check_name, raw.entity)
        self._entries.at("key", check_key, self._contracts, raw.key)
        state = [self._state(raw, index, entry) for index, entry in enumerate(raw.state)]
        features = [
            self._feature(raw, index, entry, default, retention)
            for index, entry in enumerate(raw.features)
        ]
        self._entries.at("entries", _check_names, _names(state, features))
        return FeatureSet(raw.entity, raw.key, retention, tuple(state), tuple(features))

    def _state(self, raw: _RawSet, index: int, entry: object) -> StateField:
        label = label_of("state", index, entry)
        given = self._entries.converted(label, entry, _RawState)
        self._entries.at(label, check_name, given.name)
        scope: Scope = self._entries.at(
            label, scope_of, self._contracts, raw.key, given.field, given.where
        )
        assert scope.value is not None
        slot = _slot(raw.entity, "state", given, scope)
        return StateField(
            given.name, given.field, scope.where, scope.event_types, scope.value, slot
        )

    def _feature(
        self, raw: _RawSet, index: int, entry: object, default: int, retention: int
    ) -> Feature:
        label = label_of("feature", index, entry)
        given = self._entries.converted(label, entry, _RawFeature)
        self._entries.at(label, check_name, given.name)
        tile = default if given.tile is None else self._tile(label, given.tile, retention)
        scope: Scope = self._entries.at(
            label, scope_of, self._contracts, raw.key, given.field, given.where
        )
        self._entries.at(label, check_aggregate, given.aggregate, given.field, scope.value)
        return Feature(
            given.name,
            given.aggregate,
            given.field,
            scope.where,
            scope.event_types,
            tile,
            _result_type(given.aggregate, scope),
            _slot(raw.entity, f"{given.aggregate} {tile}", given, scope),
        )

    def _tile(self, label: str, text: str, retention: int) -> int:
        tile: int = self._entries.at(label, parse_duration, text)
        self._entries.at(label, _check_tile, text, tile, retention)
        return tile


def _result_type(aggregate: str, scope: Scope) -> ValueType | None:
    if aggregate == "approx_distinct":
        return None
    return ValueType("long") if aggregate == "count" else scope.value


def _slot(entity: str, kind: str, given: _RawState | _RawFeature, scope: Scope) -> int:
    """Return a number that changes with the definition, so that saved state is never misread."""
    value = None if scope.value is None else [scope.value.kind, scope.value.scale]
    where = [[each.path, each.values] for each in scope.where]
    types = given.where.get("event_type")
    definition = [entity, given.name, kind, given.field, where, types, value]
    digest = hashlib.sha256(msgspec.json.encode(definition)).digest()
    return int.from_bytes(digest[:4], "big")


def _names(state: list[StateField], features: list[Feature]) -> list[str]:
    return [field.name for field in state] + [feature.name for feature in features]


def _check_names(names: list[str]) -> None:
    if not names:
        msg = "neither state nor features are there; declare one, or remove the file"
        raise FeatureError(msg)
    for name in names:
        if names.count(name) > 1:
            msg = f"name '{name}' is given twice; rename one"
            raise FeatureError(msg)


def _check_tile(text: str, tile: int, retention: int) -> None:
    if tile > retention:
        msg = f"tile {text} is longer than the retention; shorten it or keep values longer"
        raise FeatureError(msg)
    if tile < _LEAST_TILE or _DAY % tile or tile % _MINUTE:
        msg = f"tile {text} does not divide a day; use 5m or more, such as 5m, 15m, 1h or 1d"
        raise FeatureError(msg)
