"""Metrics compiled: what one event adds to windows, without a look at those it cannot be in.

Plain logic without Beam. Everything that depends on the declaration alone is decided once per
process and event type.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from schemas.contract_set import Contracts
from schemas.declaration_where import Condition
from schemas.metric import AGE_MS, EVENTS, REJECTS, Metric, window_name
from schemas.rejected import Rejected
from schemas.times import MILLISECOND
from schemas.window_parts import WindowPart
from transforms.metric_groups import Grouping, MetricGroups, Values
from transforms.record_fields import RecordFields, Tests, passes

__all__ = ["MetricProgram", "RejectProgram", "metric_paths"]

_REJECT_FIELDS = {"reason": 0, "step": 1}


class _Program(NamedTuple):
    """What an event type adds to: `ages` says whether the values end with the event's age."""

    read: Callable[[Any, int], Values]
    ages: bool
    groupings: tuple[Grouping, ...]


class MetricProgram:
    """Collects what records add to the windows of metrics of events, until it is taken.

    `least_lateness`: an event at or after the watermark less it (microseconds) is late for no
    window, whatever its metric.

    >>> from schemas.contract import load_contracts
    >>> program = MetricProgram(load_contracts(None), [])
    >>> list(program.take())
    []
    """

    def __init__(self, contracts: Contracts, metrics: Iterable[Metric]) -> None:
        self._contracts = contracts
        self._metrics = [each for each in metrics if each.source == EVENTS]
        self._groups = MetricGroups(self._metrics)
        self._programs: dict[type, _Program] = {}
        self.least_lateness = min((each.allowed_lateness for each in self._metrics), default=0)

    def add(self, record: Any, event_time: int, publish_time: int | None) -> None:
        """Add an event that is late for no window; times are in microseconds."""
        program = self._programs.get(type(record))
        if program is None:
            program = self._compiled(type(record))
        read, ages, groupings = program
        values = read(record, event_time)
        if ages:
            values = (*values, _age(event_time, publish_time))
        _add(groupings, values, event_time)

    def add_late(
        self, record: Any, event_time: int, publish_time: int | None, watermark: int
    ) -> list[str]:
        """Add an event to those windows that it is not late for, and return the others.

        It is late for a window iff the window's end and the metric's allowed lateness have passed
        by the watermark. The others are told as `<metric>/<window>`.
        """
        program = self._programs.get(type(record)) or self._compiled(type(record))
        values = program.read(record, event_time)
        if program.ages:
            values = (*values, _age(event_time, publish_time))
        late: list[str] = []
        for grouping in program.groupings:
            if passes(values, grouping.tests):
                closed = watermark - grouping.lateness
                open_ones = tuple(
                    length for length in grouping.lengths if _end(event_time, length) > closed
                )
                if open_ones:
                    grouping.add(values, event_time, open_ones)
                late += [
                    f"{grouping.name}/{window_name(length)}"
                    for length in grouping.lengths
                    if length not in open_ones
                ]
        return late

    def take(self) -> Iterator[WindowPart]:
        """Yield a part for each metric, key and window, key by key, and forget what was added."""
        return self._groups.take()

    def clear(self) -> None:
        """Forget what was added."""
        self._groups.clear()

    def _compiled(self, kind: Any) -> _Program:
        event_type = kind.__struct_config__.tag
        paths = metric_paths(self._metrics, event_type)
        known = {path for path in paths if _is_known(self._contracts, event_type, path)}
        fields = RecordFields(self._contracts, event_type, known)
        ages = AGE_MS in paths
        index = {**fields.index, **({AGE_MS: len(fields.index) + 1} if ages else {})}
        tests_of = _testing(index)
        groupings = self._groups.groupings(event_type, index, tests_of)
        program = self._programs[kind] = _Program(fields.read, ages, groupings)
        return program


class RejectProgram:
    """Collects what rejected messages add to the windows of metrics of rejects.

    >>> list(RejectProgram([]).take())
    []
    """

    def __init__(self, metrics: Iterable[Metric]) -> None:
        chosen = [each for each in metrics if each.source == REJECTS]
        self._groups = MetricGroups(chosen)
        self._groupings = self._groups.groupings(REJECTS, _REJECT_FIELDS, _testing(_REJECT_FIELDS))

    def add(self, rejected: Rejected, publish_time: int) -> None:
        """Add one by its publish time, in microseconds."""
        _add(self._groupings, (rejected.reason, rejected.step), publish_time)

    def take(self) -> Iterator[WindowPart]:
        """Yield a part for each metric, key and window, key by key, and forget what was added."""
        return self._groups.take()

    def clear(self) -> None:
        """Forget what was added."""
        self._groups.clear()


# A call for each grouping would take as long as what it does.
def _add(groupings: Iterable[Grouping], values: Values, moment: int) -> None:
    for grouping in groupings:
        if grouping.tests and not passes(values, grouping.tests):
            continue
        key, unit = grouping.key_of(values), moment // grouping.unit
        units = grouping.keys.get(key)
        if units is None:
            grouping.keys[key] = {unit: [values]}
        else:
            group = units.get(unit)
            if group is None:
                units[unit] = [values]
            else:
                group.append(values)


def _age(event_time: int, publish_time: int | None) -> int | None:
    return None if publish_time is None else (publish_time - event_time) // MILLISECOND


def _end(event_time: int, length: int) -> int:
    return event_time - event_time % length + length


def _testing(index: dict[str, int]) -> Callable[[Iterable[Condition]], Tests]:
    def tests_of(where: Iterable[Condition]) -> Tests:
        return tuple((index[each.path], frozenset(each.values)) for each in where)

    return tests_of


def _is_known(contracts: Contracts, event_type: str, path: str) -> bool:
    try:
        contracts.field(event_type, path)
    except KeyError:
        return False
    return True


def metric_paths(metrics: Sequence[Metric], event_type: str) -> set[str]:
    """Return all paths that the metrics of an event type read."""
    paths: set[str] = set()
    for metric in metrics:
        if event_type in metric.event_types:
            paths.update(each.path for each in metric.dimensions)
            paths.update(each.path for each in metric.where)
            for measure in metric.measures:
                if event_type in measure.event_types:
                    paths.update(test.path for test in measure.where)
                    paths.update([measure.field] if measure.field else [])
    return paths
