"""Metric files: what is measured of events in windows of event time, declared and not coded.

A file describes one metric: `name`, `doc`, `source`, `windows`, `dimensions`, `measures`, `where`,
`allowed_lateness`, `triggers`, `fill`, `bigtable`. docs/metrics.md tells how to write one.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from schemas.contract_set import Contracts
from schemas.declaration_entries import Entries, check_name, label_of
from schemas.declaration_error import DeclarationError
from schemas.declaration_fields import EVENT_TYPE
from schemas.declaration_file import declaration_files, read_text, read_yaml
from schemas.metric import Dimension, Measure, Metric
from schemas.metric_check import (
    MetricScope,
    check_columns,
    dimension_of,
    filled_key,
    measure_scope,
    measured_fields,
    metric_scope,
    result_type,
)
from schemas.metric_error import METRICS, MetricError
from schemas.metric_file import (
    MeasureForm,
    MetricForm,
    check_doc,
    check_of,
    check_twice,
    fill_within_of,
    lateness_of,
    named_dimensions,
    triggers_of,
    windows_of,
)
from schemas.values import Plain, ValueType

__all__ = ["SHIPPED", "Metric", "MetricError", "load_metrics", "parse_metric"]

SHIPPED = Path(__file__).parent / "metrics"
"""The folder of the suite's own metrics."""


def load_metrics(location: str | None, contracts: Contracts) -> list[Metric]:
    """Return the metrics of a file or folder, local or `gs://`; None means the shipped ones.

    Raises:
        MetricError: a file is missing or wrong; one line with file, entry and remedy.
        CredentialsError: a place in Cloud Storage, and no credentials.
    """
    where = str(SHIPPED) if location is None else location
    metrics: dict[str, tuple[str, Metric]] = {}
    for path in declaration_files(where, METRICS):
        file = path.rsplit("/", 1)[-1]
        found = parse_metric(read_text(path, METRICS), file, contracts)
        other = metrics.get(found.name.lower())
        if other is not None:
            clash = f"metric '{found.name}' is in the way of '{other[1].name}' in {other[0]}"
            msg = f"{file}: {clash}; rename one: their tables would have one name"
            raise MetricError(msg)
        metrics[found.name.lower()] = (file, found)
    return [found for _, found in metrics.values()]


def parse_metric(text: str, file: str, contracts: Contracts) -> Metric:
    """Return the metric of one file's text; `file` names it in errors."""
    entries = Entries(file, METRICS)
    raw = entries.converted("file", read_yaml(text, file, METRICS), MetricForm)
    entries.at("name", check_name, raw.name)
    entries.at("doc", check_doc, raw.doc)
    known = entries.at("source", measured_fields, raw.source, contracts)
    return _Parser(entries, raw, known).metric()


class _Parser:
    """Checks one metric against `known`: the contracts, with the fields that its source has."""

    def __init__(self, entries: Entries, raw: MetricForm, known: Contracts) -> None:
        self._entries = entries
        self._raw = raw
        self._known = known

    def metric(self) -> Metric:
        raw, at = self._raw, self._entries.at
        scope: MetricScope = at("where", metric_scope, self._known, raw.where)
        dimensions = tuple(
            self._dimension(scope, *each) for each in at("dimensions", named_dimensions, raw)
        )
        measures = tuple(self._measure(scope, n, entry) for n, entry in enumerate(raw.measures))
        at("names", check_twice, [each.name for each in measures])
        at("names", check_columns, dimensions, measures)
        windows = at("windows", windows_of, raw.windows)
        return Metric(
            raw.name,
            raw.doc,
            raw.source,
            windows,
            dimensions,
            measures,
            scope.where,
            scope.event_types,
            at("allowed_lateness", lateness_of, raw.allowed_lateness),
            at("triggers", triggers_of, raw.triggers),
            at("fill", self._fill, scope, dimensions),
            raw.bigtable,
            _slot(raw, scope, dimensions, measures),
            at("fill", fill_within_of, raw.fill, windows),
        )

    def _dimension(self, scope: MetricScope, name: str, path: str) -> Dimension:
        label = f"dimension '{name}'"
        self._entries.at(label, check_name, name)
        found: Dimension = self._entries.at(
            label, dimension_of, self._known, scope.event_types, name, path
        )
        return found

    def _measure(self, scope: MetricScope, index: int, entry: object) -> Measure:
        label = label_of("measure", index, entry)
        given = self._entries.converted(label, entry, MeasureForm)
        self._entries.at(label, check_name, given.name)
        own: MetricScope
        value: ValueType | None
        own, value = self._entries.at(
            label, measure_scope, self._known, scope.event_types, given.field, given.where
        )
        kind = self._entries.at(label, result_type, given.measure, given.field, value)
        self._entries.at(label, check_of, given)
        return Measure(
            given.name, given.measure, given.field, own.where, own.event_types, kind, (*given.of,)
        )

    def _fill(
        self, scope: MetricScope, dimensions: tuple[Dimension, ...]
    ) -> tuple[tuple[Plain | None, ...], ...]:
        keys = [
            filled_key(self._known, scope.event_types, dimensions, entry)
            for entry in self._raw.fill.zero
        ]
        for key in keys:
            if keys.count(key) > 1:
                msg = f"zero names {key} twice; name it once"
                raise DeclarationError(msg)
        return tuple(keys)


def _slot(
    raw: MetricForm,
    scope: MetricScope,
    dimensions: Iterable[Dimension],
    measures: Iterable[Measure],
) -> int:
    """Return a number that changes with the meaning of an entry: saved state is never misread."""
    kept = [
        [each.name, each.measure, each.field, *_narrowed(given.where, each), each.value]
        for each, given in zip(measures, map(_given, raw.measures), strict=True)
        if not each.of
    ]
    keys = [[each.path, each.value] for each in dimensions]
    definition = [raw.name, raw.source, keys, kept, *_narrowed(raw.where, scope)]
    digest = hashlib.sha256(msgspec.json.encode(definition)).digest()
    return int.from_bytes(digest[:4], "big")


def _given(entry: object) -> MeasureForm:
    return msgspec.convert(entry, MeasureForm)


def _narrowed(where: dict[str, Any], scope: MetricScope | Measure) -> tuple[Any, Any]:
    """Return the event types that a `where` names, and its conditions.

    Not the types that it leaves: a new contract begins to contribute without a new metric.
    """
    return sorted(scope.event_types) if EVENT_TYPE in where else None, scope.where
