"""All tables and views of the suite, for the contracts and metrics that a job is launched with."""

from collections.abc import Iterable

import msgspec

from schemas.column_rules import check_names
from schemas.contract_set import Contracts
from schemas.metric import Metric
from schemas.metric_tables import GOLD, metric_view, pane_table
from schemas.ops_tables import OPS, OPS_TABLES
from schemas.silver_tables import SILVER, current_view, silver_table
from schemas.tables import Table, TableError, View

__all__ = ["TableSet", "dataset_doc"]

_DOCS = {
    GOLD: "Metrics: the current value of each window and key.",
    OPS: "Panes of metrics, late events, drift, refused records, recomputations: for operators.",
}


class TableSet(msgspec.Struct, frozen=True):
    """Tables, then views over them, each in the order of creation."""

    tables: tuple[Table, ...]
    views: tuple[View, ...]

    @classmethod
    def of(cls, contracts: Contracts, metrics: Iterable[Metric]) -> "TableSet":
        """Describe everything that is made of these declarations.

        Raises:
            TableError: BigQuery would not have one of them; one line with its name and the remedy.
        """
        ordered = sorted(contracts.types.values(), key=lambda one: (one.domain, one.event_type))
        silver = [silver_table(contracts, one.event_type) for one in ordered]
        declared = sorted(metrics, key=lambda one: one.name)
        tables = (*silver, *OPS_TABLES, *map(pane_table, declared))
        views = (*map(current_view, silver), *map(metric_view, declared))
        check_names((*tables, *views))
        return cls(tables, views)

    def table(self, full_name: str) -> Table:
        """Return the table `<dataset>.<name>`.

        Raises:
            TableError: there is none of this name.
        """
        for table in self.tables:
            if table.full_name == full_name:
                return table
        msg = f"{full_name}: no such table is declared; it needs a contract or a metric"
        raise TableError(msg)

    def datasets(self) -> list[str]:
        """Return the names of the datasets, each once, without a prefix."""
        tables = [table.dataset for table in self.tables]
        return list(dict.fromkeys([*tables, *(view.dataset for view in self.views)]))


def dataset_doc(name: str) -> str:
    """Return what a dataset holds, in a sentence.

    >>> dataset_doc("silver_billing")
    'Curated events of the domain billing.'
    """
    return _DOCS.get(name) or f"Curated events of the domain {name.removeprefix(SILVER)}."
