"""What `penstock tables diff` does."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter

from google.api_core.exceptions import GoogleAPICallError, NotFound, RetryError
from google.auth.exceptions import GoogleAuthError

from local.compare_rows import Comparison, Folding, Row, RowsOnly, compare_rows
from local.sorted_cells import KeyedCell, sorted_cells
from local.tables import read_rows
from schemas.bigtable_table import TableName
from schemas.contract import load_contracts
from schemas.credentials import BIGTABLE, require_credentials
from schemas.feature_set import load_features
from schemas.locations import expanded, is_remote
from transforms.object_store import ObjectStoreError, check_path, list_objects
from transforms.write_cell_lines import read_cell_lines

__all__ = ["diff_tables"]


def diff_tables(
    a: str, b: str, sample: int, features: str | None, contracts: str | None
) -> tuple[str, bool]:
    """Compare two sides; return what differs, in lines, and whether anything does.

    Raises:
        ValueError: one line that names what cannot be read and the remedy.
    """
    known = load_contracts(contracts and expanded(contracts))
    folding = Folding(load_features(features and expanded(features), known))
    left, right = _side(a), _side(b)
    found = compare_rows(_rows(left), _rows(right), folding, sample)
    return "\n".join(_report(a, b, found, folding.unknown)), found.is_different


def _side(given: str) -> TableName | str:
    """Return the table or the path that is meant, if it can be read."""
    name = _table(given)
    if name is not None:
        require_credentials(str(name), BIGTABLE)
        return name
    path = check_path(expanded(given))
    if is_remote(path):
        require_credentials(path)
    with _failing(path):
        found = next(list_objects(path, ".ndjson"), None)
    if found is None:
        msg = (
            f"{given}: no table and no cell lines; write projects/PROJECT/instances/INSTANCE/"
            "tables/TABLE, or name a file or folder that --cells_output wrote"
        )
        raise ValueError(msg)
    return path


def _table(given: str) -> TableName | None:
    try:
        return TableName.parse(given)
    except ValueError:
        return None


def _rows(side: TableName | str) -> Iterator[Row]:
    with _failing(side):
        yield from read_rows(side) if isinstance(side, TableName) else _rows_of_lines(side)


def _rows_of_lines(path: str) -> Iterator[Row]:
    cells: Iterator[KeyedCell] = (
        (line.key, line.family, line.qualifier, line.timestamp_micros, line.value)
        for line in read_cell_lines(path)
    )
    for row_key, group in groupby(sorted_cells(cells), itemgetter(0)):
        yield row_key, [cell[1:] for cell in group]


@contextmanager
def _failing(side: TableName | str) -> Iterator[None]:
    """Make what keeps a side from being read a `ValueError`: status 1 says that tables differ."""
    try:
        yield
    except NotFound:
        msg = f"{side}: no such table; check its name, or make it with penstock tables create"
        raise ValueError(msg) from None
    except (GoogleAPICallError, RetryError) as error:
        msg = f"{side}: {error.message}; check the name, and that the service runs"
        raise ValueError(msg) from None
    except GoogleAuthError:
        msg = f"{side}: no credentials; log in to gcloud, or export what penstock up prints"
        raise ValueError(msg) from None
    except (ObjectStoreError, OSError) as error:
        raise ValueError(str(error)) from None


def _report(a: str, b: str, found: Comparison, unknown: set[str]) -> Iterator[str]:
    yield f"A {a}: {_number(found.rows_a, 'row')}"
    yield f"B {b}: {_number(found.rows_b, 'row')}"
    yield from _rows_only("A", found.only_a)
    yield from _rows_only("B", found.only_b)
    for name, column in sorted(found.columns.items()):
        differing = _number(column.differing, "cell")
        alone = f"{column.only_a} only in A, {column.only_b} only in B"
        yield f"{_shown(name)}: {differing} different, {alone}"
        yield from map(_key, column.sample)
    for name in sorted(unknown):
        yield f"{_shown(name)}: not in the feature files, so each of its versions was compared"
    yield "different" if found.is_different else "no difference"


def _rows_only(side: str, found: RowsOnly) -> Iterator[str]:
    if found.rows:
        yield f"only in {side}: {_number(found.rows, 'row')}"
        yield from map(_key, found.sample)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _key(row_key: bytes) -> str:
    return f"    {_shown(row_key.decode(errors='backslashreplace'))}"


def _shown(text: str) -> str:
    """Return a text on one line; what a terminal would obey is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
