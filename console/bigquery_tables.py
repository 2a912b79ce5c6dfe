"""What `penstock tables create|diff|apply --project=...` do: declared tables, and those there."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from console.bigquery_access import BigQueryAccess
from console.printing import say
from schemas.contract import Contracts, load_contracts
from schemas.locations import expanded
from schemas.metric_set import SHIPPED, Metric, MetricError, load_metrics
from schemas.table_changes import (
    TableChange,
    declared_json,
    table_change,
    view_change,
    view_json,
)
from schemas.table_names import Datasets
from schemas.table_set import TableSet, dataset_doc
from schemas.tables import Table, TableError, View

__all__ = ["Asked", "apply_tables", "compare_tables", "create_tables"]


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the options say: where, and what is declared."""

    project: str
    prefix: str = ""
    location: str | None = None
    contracts: str | None = None
    metrics: str | None = None
    primary_keys: bool = False


class _Found(NamedTuple):
    """A declared table or view, what is there of it, and how that differs; None: nothing is."""

    thing: Table | View
    there: dict[str, Any] | None
    change: TableChange | None


def create_tables(asked: Asked) -> Iterator[str]:
    """Create what is missing; yield what was done. What is there is left as it is.

    Raises:
        TableError: one line with what BigQuery refused, or what was declared wrongly.
    """
    environment = _Environment(asked)
    yield from environment.make_datasets()
    found = environment.look()
    yield from environment.make(found)
    there = [each.change for each in found if each.change is not None]
    if there:
        yield f"{len(there)} of {len(found)} tables and views were there already"
    if any(change.additions or change.refusals for change in there):
        yield "some differ from what is declared: penstock tables diff says how"


def compare_tables(asked: Asked) -> tuple[list[str], bool]:
    """Return what differs, in lines, and whether anything does; nothing is changed."""
    environment = _Environment(asked)
    missing = environment.missing
    lines = [f"missing  dataset {environment.datasets.dataset(name)}" for name in missing]
    found = [each for each in environment.look() if each.thing.dataset not in missing]
    lines += (line for each in found for line in _told(each))
    return lines or ["no difference"], bool(lines)


def apply_tables(asked: Asked) -> tuple[list[str], bool]:
    """Create what is missing and add what can be added, if nothing has to be refused.

    Returns:
        What was done or refused, in lines, and whether it was done.
    """
    environment = _Environment(asked)
    found = environment.look()
    refused = [line for each in found for line in _told(each) if line.startswith("refused")]
    if refused:
        return refused, False
    lines = [*environment.make_datasets(), *environment.bring(found)]
    return lines or ["nothing to do"], True


class _Environment:
    """The declared tables, and the project and prefix that they are in.

    `missing` are the datasets, without the prefix, that were not there at the start.
    """

    def __init__(self, asked: Asked) -> None:
        contracts = load_contracts(asked.contracts and expanded(asked.contracts))
        metrics = _metrics(asked, contracts)
        self._declared = TableSet.of(contracts, metrics)
        self.datasets = Datasets(asked.project, asked.prefix)
        self._access = BigQueryAccess(self.datasets)
        self._primary_keys = asked.primary_keys
        self._location, self.missing = self._placed(asked.location)

    def make_datasets(self) -> Iterator[str]:
        """Create those that are missing, where the others are; yield what was done."""
        for name in self.missing:
            self._access.make_dataset(name, dataset_doc(name), self._location)
            yield f"created dataset {self.datasets.dataset(name)}"

    def look(self) -> list[_Found]:
        """Compare everything that is declared with what is there."""
        things: list[Table | View] = [*self._declared.tables, *self._declared.views]
        return [self._found(thing) for thing in things]

    def bring(self, found: Iterable[_Found]) -> Iterator[str]:
        """Make what is not there and add what can be added, tables before the views of them."""
        grown: set[str] = set()
        for each in found:
            thing, there, change = each
            if there is None or change is None:
                yield from self.make([each])
                continue
            patch = dict(change.patch)
            # BigQuery keeps the columns of a view as they were when its query was last set.
            if isinstance(thing, View) and any(name in thing.sql for name in grown):
                patch["view"] = self._body(thing)["view"]
            if patch:
                self._access.patch(thing, there, patch)
            if "schema" in patch:
                grown.add(f"{{table:{thing.full_name}}}")
            yield from (f"changed {thing.full_name}: {text}" for text in change.additions)

    def make(self, found: Iterable[_Found]) -> Iterator[str]:
        """Create what is not there; yield what was done."""
        for thing, there, _ in found:
            if there is None and self._access.make(thing, self._body(thing)):
                yield f"created {thing.full_name}"

    def _found(self, thing: Table | View) -> _Found:
        there = None if thing.dataset in self.missing else self._access.look(thing)
        if there is None:
            return _Found(thing, None, None)
        if isinstance(thing, Table):
            return _Found(thing, there, table_change(thing, there))
        return _Found(thing, there, view_change(thing, self.datasets.sql(thing.sql), there))

    def _body(self, thing: Table | View) -> dict[str, Any]:
        if isinstance(thing, Table):
            return declared_json(thing, primary_key=self._primary_keys)
        return view_json(thing, self.datasets.sql(thing.sql))

    def _placed(self, wanted: str | None) -> tuple[str | None, list[str]]:
        """Return where datasets are to be, and which are missing: a query reads one location."""
        found = {name: self._access.location(name) for name in self._declared.datasets()}
        there = {name: place for name, place in found.items() if place is not None}
        for name, place in there.items():
            expected = wanted or next(iter(there.values()))
            if place.lower() != expected.lower():
                msg = (
                    f"dataset {self.datasets.dataset(name)} is in {place} and not in {expected},"
                    " and no query reads both; leave --location out, or choose another --prefix"
                )
                raise TableError(msg)
        missing = [name for name in found if name not in there]
        return wanted or next(iter(there.values()), None), missing


def _metrics(asked: Asked, contracts: Contracts) -> list[Metric]:
    """Return the metrics that are named, or else those of the suite.

    Of the suite's those that own contracts cannot have are left out, and that is said.
    """
    if asked.metrics or not asked.contracts:
        return load_metrics(asked.metrics and expanded(asked.metrics), contracts)
    found: list[Metric] = []
    left_out: list[str] = []
    for file in sorted(SHIPPED.glob("*.yaml")):
        try:
            found += load_metrics(str(file), contracts)
        except MetricError:  # noqa: PERF203 - some files are of other contracts
            left_out.append(file.stem)
    if left_out:
        say(f"left out, as these contracts do not have what they measure: {', '.join(left_out)}")
    return found


def _told(found: _Found) -> Iterator[str]:
    name, change = found.thing.full_name, found.change
    if change is None:
        yield f"missing  {name}"
        return
    for verb, texts in (
        ("change", change.additions),
        ("left", change.leftovers),
        ("refused", change.refusals),
    ):
        yield from (f"{verb:<8} {name}: {text}" for text in texts)
