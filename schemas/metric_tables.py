"""Tables of a metric: where its panes go, and the view that says what holds now."""

from collections.abc import Iterator

import msgspec

from schemas.column_rules import checked
from schemas.durations import format_duration
from schemas.metric import EVENTS, REJECTS, Measure, Metric
from schemas.metric_view import metric_sql
from schemas.ops_tables import OPS
from schemas.tables import Column, Table, View
from schemas.values import ValueType

__all__ = ["GOLD", "column_type", "metric_view", "pane_table"]

GOLD = "gold"
"""The dataset of what analysts read of metrics."""

_CLUSTERED = 4
_TYPES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "INTEGER",
    "float": "FLOAT",
    "double": "FLOAT",
    "bytes": "BYTES",
    "string": "STRING",
    "enum": "STRING",
    "uuid": "STRING",
    "date": "DATE",
    "timestamp-millis": "TIMESTAMP",
    "timestamp-micros": "TIMESTAMP",
}
_NUMERIC_SCALE = 9
_SAID = {
    "count": "Number of {events}{with_field}.",
    "sum": "Sum of {field} of {events}; 0 where there is none.",
    "min": "Least {field} of {events}.",
    "max": "Greatest {field} of {events}.",
    "approx_distinct": "Number of different {field} of {events}, estimated above 2,048.",
    "ratio": "{above} / {below}; null where {below} is 0.",
}
_NAMED_TYPES = 3
_THINGS = {EVENTS: "events", REJECTS: "refused records"}

_WINDOW = (
    Column("window", "STRING", "REQUIRED", "Length of the window, such as 1m."),
    Column("window_start", "TIMESTAMP", "REQUIRED", "Where it begins, in event time."),
    Column("window_end", "TIMESTAMP", "REQUIRED", "Where it ends; the end is not in it."),
)
_PANE = (
    Column("event_count", "INTEGER", "REQUIRED", "Events of the metric in it: a pane's rank."),
    Column("pane_index", "INTEGER", "REQUIRED", "Number of the pane of its window, from 0."),
    Column("timing", "STRING", "REQUIRED", "early, on_time or late: before, at, after the end."),
    Column("generation", "INTEGER", "REQUIRED", "0 of a live job; else of a recomputation."),
)
_INSERT_ID = Column("insert_id", "STRING", "REQUIRED", "Equal ones are one pane, written again.")


def pane_table(metric: Metric) -> Table:
    """Return the table that panes of a metric are appended to: absolute values, never changes.

    Raises:
        TableError: BigQuery would not have it; one line with column, problem and remedy.
    """
    dimensions = tuple(_dimensions(metric))
    clustered = ("window", *(column.name for column in dimensions))[:_CLUSTERED]
    return checked(
        Table(
            dataset=OPS,
            name=f"panes_{metric.name}",
            doc=f"Panes of the metric {metric.name}: each is the whole value of its window so far.",
            columns=(*_WINDOW, *dimensions, *_measures(metric), *_PANE, _INSERT_ID),
            partition="window_start",
            clustering=clustered,
            key=("insert_id",),
        ),
        "metric",
    )


def metric_view(metric: Metric) -> View:
    """Return the view with the current value of each window and key of a metric."""
    dimensions = tuple(_dimensions(metric))
    columns = (*_WINDOW, *dimensions, *_measures(metric), *_PANE)
    doc = f"{metric.doc} The current value of each window and key."
    if metric.fill:
        columns = (*columns[: -len(_PANE)], *map(_or_null, _PANE))
        within = format_duration(metric.fill_within)
        doc += f" A window without events is zero under the declared keys, for the last {within}."
    panes = pane_table(metric).full_name
    return View(GOLD, metric.name, doc, metric_sql(metric, panes, columns, dimensions), columns)


def _or_null(column: Column) -> Column:
    """Return a column of the pane as it is in a view where some windows never had one."""
    if column.name == "event_count":
        return column
    doc = f"{column.description} Null of a zero."
    return msgspec.structs.replace(column, mode="NULLABLE", description=doc)


def column_type(value: ValueType) -> str:
    """Return BigQuery's type of a value.

    >>> column_type(ValueType("decimal", 2)), column_type(ValueType("decimal", 12))
    ('NUMERIC', 'BIGNUMERIC')
    """
    if value.kind == "decimal":
        return "NUMERIC" if value.scale <= _NUMERIC_SCALE else "BIGNUMERIC"
    return _TYPES[value.kind]


def _dimensions(metric: Metric) -> Iterator[Column]:
    for dimension in metric.dimensions:
        doc = f"{dimension.path} of the {_THINGS[metric.source]}; null: they have none."
        yield Column(dimension.name, column_type(dimension.value), "NULLABLE", doc)


def _measures(metric: Metric) -> Iterator[Column]:
    for measure in metric.measures:
        doc = _said(metric, measure)
        yield Column(measure.name, column_type(measure.value), "NULLABLE", doc)
        if measure.measure == "approx_distinct":
            doc = f"Theta sketch of {measure.name}, to merge windows with; null: of nothing."
            yield Column(f"{measure.name}_theta", "BYTES", "NULLABLE", doc)


def _said(metric: Metric, measure: Measure) -> str:
    above, below = measure.of or ("", "")
    return _SAID[measure.measure].format(
        events=_counted(metric, measure),
        field=measure.field,
        with_field=f" that have {measure.field}" if measure.field else "",
        above=above,
        below=below,
    )


def _counted(metric: Metric, measure: Measure) -> str:
    """Say which of a metric's events a measure is of, as far as names of types can tell it."""
    types = measure.event_types
    is_narrow = len(types) <= _NAMED_TYPES and set(types) != set(metric.event_types)
    named = f"{' or '.join(types)} " if is_narrow else ""
    where = f" with the declared {', '.join(each.path for each in measure.where)}"
    return f"{named}{_THINGS[metric.source]}{where if measure.where else ''}"
