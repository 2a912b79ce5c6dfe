"""Writes the page on BigQuery's tables and views: every column, and how each table is kept."""

from collections.abc import Iterable, Iterator

from schemas.table_set import TableSet, dataset_doc
from schemas.tables import Column, Table, View

__all__ = ["tables_page"]

_HEAD = """# BigQuery: tables and views

Written from the contracts and metrics by `make docs`; change `schemas/contracts/`,
`schemas/metrics/` or the modules `schemas/*_tables.py` and run it again. What a field of an event
means is said in [dictionary.md](dictionary.md), what a metric is in [metrics.md](metrics.md).

## Making and changing them

```
penstock tables create --project=my-project --prefix=dev_ --location=EU
penstock tables diff   --project=my-project --prefix=dev_
penstock tables apply  --project=my-project --prefix=dev_ --contracts=gs://bucket/contracts
```

Jobs never make tables, and stop at the launch with one line where one is missing or would refuse
their rows. `--prefix` (`--dataset_prefix` of jobs) stands before the name of each dataset, so that
several environments fit into a project. `--contracts` and `--metrics` are those of the jobs; with
own contracts alone, those metrics of the suite are left out that the contracts cannot have.

- `create` makes what is missing, and leaves what is there as it is.
- `diff` changes nothing. Status 0: nothing differs; 1: something does; 2: it cannot be said.
  `missing` and `change` are what `apply` would do; `left` is a column that is no longer declared
  and in nobody's way; `refused` is what needs a hand, with what to do.
- `apply` makes what is missing, adds columns and fields that can be null or are lists, lets a
  required column be null where it is declared so, and sets descriptions and the queries of views.
  If anything is refused (another type, a new required column, other partitions, clusters or keys,
  rows kept for longer than declared) it does nothing at all, and its status is 1.
- `compact --from=2026-01-01 --to=2026-02-01` leaves one row for each key in the curated tables and
  the drift table, for events of these days (the last is excluded): the one that the `_current` view
  shows. It is one statement for each 30 days, and can be run again. BigQuery refuses days with rows
  that `insertAll` has inserted in the last half hour.

All datasets of an environment are in one location: no query reads two. Without `--location` new
ones are made where the others are.

**Keys** tell rows apart: rows of equal keys are one that was written more than once. Delivery is at
least once, so a table may hold a key twice until it is compacted; the views count it once. BigQuery
believes a primary key without looking, and may answer queries wrongly where it does not hold, so
`create` declares them with `--primary-keys` only: for tables that nothing but load jobs write.

**Who reads what.** Give analysts the `silver_*` datasets and `gold`, and make `gold` an authorised
dataset of `ops`, so that its views can read the panes while their readers cannot read `ops`: what
is marked *restricted* there holds values as they were sent, personal ones too.

**Time.** A table with a retention drops whole days of its partition column. All other tables keep
their rows until somebody sets an expiration; a shorter one than declared is no difference.
"""
_COLUMNS = ("| column | type | null | meaning |", "|---|---|---|---|")


def tables_page(tables: TableSet) -> str:
    """Return the page as Markdown, the same for the same tables."""
    lines = [_HEAD]
    for dataset in tables.datasets():
        lines += [f"## {dataset}", "", dataset_doc(dataset), ""]
        for table in tables.tables:
            if table.dataset == dataset:
                lines += [*_table(table), ""]
        for view in tables.views:
            if view.dataset == dataset:
                lines += [*_view(view, tables), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(table: Table) -> Iterator[str]:
    yield f"### {table.full_name}"
    yield ""
    yield table.doc
    yield ""
    yield " ".join(_kept(table))
    yield ""
    yield from _columns(table.columns)


def _kept(table: Table) -> Iterator[str]:
    if table.partition is not None:
        yield f"Partitions: {table.granularity.lower()} of `{table.partition}`."
    if table.clustering:
        yield f"Clusters: {_listed(table.clustering)}."
    yield f"Key: {_listed(table.key)}."
    if table.retention_days is not None:
        yield f"Rows are kept for {table.retention_days} days."
    if table.restricted:
        yield "*Restricted.*"


def _view(view: View, tables: TableSet) -> Iterator[str]:
    yield f"### {view.full_name} (view)"
    yield ""
    yield view.doc
    yield ""
    same = [table.full_name for table in tables.tables if table.columns == view.columns]
    if same:
        yield f"Columns: those of `{same[0]}`."
    else:
        yield from _columns(view.columns)


def _columns(columns: Iterable[Column]) -> Iterator[str]:
    yield from _COLUMNS
    for column in columns:
        yield from _rows("", column)


def _rows(path: str, column: Column) -> Iterator[str]:
    is_list = column.mode == "REPEATED"
    null = "yes" if column.mode == "NULLABLE" else ""
    digits = "" if column.precision is None else f"({column.precision}, {column.scale or 0})"
    kind = f"{'list of ' if is_list else ''}{column.type}{digits}"
    meaning = column.description.replace("|", "\\|").replace("\n", " ")
    yield f"| `{path}{column.name}` | {kind} | {null} | {meaning} |"
    for field in column.fields:
        yield from _rows(f"{path}{column.name}{'[]' if is_list else ''}.", field)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
