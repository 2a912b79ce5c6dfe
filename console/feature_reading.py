"""What `penstock features get` does."""

import json
import time

from local.tables import read_cells
from schemas.bigtable_table import TableName
from schemas.cells import row_key
from schemas.contract import load_contracts
from schemas.credentials import BIGTABLE, require_credentials
from schemas.feature_set import FeatureSet, load_features
from schemas.locations import expanded
from schemas.tiles import fold_row
from schemas.times import format_rfc3339, parse_rfc3339

__all__ = ["read_features"]


def read_features(
    identifier: str,
    at: str | None,
    entity: str,
    spans: str,
    bigtable_table: str,
    features: str | None,
    contracts: str | None,
) -> str:
    """Return one row, folded, as JSON.

    Raises:
        ValueError: one line that names the option and the remedy.
    """
    if not bigtable_table:
        msg = "--bigtable_table is missing: name it, or export PENSTOCK_TABLE"
        raise ValueError(msg)
    if not identifier:
        msg = "USER is empty: give the id that stands in the row key"
        raise ValueError(msg)
    name = TableName.parse(bigtable_table)
    moment = time.time_ns() // 1000 if at is None else _moment(at)
    known = load_contracts(contracts and expanded(contracts))
    chosen = _set(load_features(features and expanded(features), known), entity)
    asked = [span.strip() for span in spans.split(",")]
    _check_spans(chosen, asked, moment)
    require_credentials(f"--bigtable_table={name}", BIGTABLE)
    key = row_key(entity, identifier)
    cells = read_cells(name, key)
    if not cells:
        msg = f"{name} has no row {key.decode()}; check the id and --entity"
        raise ValueError(msg)
    folded = fold_row(cells, chosen, asked, moment)
    shown = {"row_key": key.decode(), "at": format_rfc3339(moment), **folded}
    return json.dumps(shown, indent=2, ensure_ascii=False, default=str)


def _check_spans(features: FeatureSet, spans: list[str], moment: int) -> None:
    """Fold nothing: this says what is wrong with a span before anything is read."""
    try:
        fold_row([], features, spans, moment)
    except ValueError as error:
        msg = f"--spans {','.join(spans)}: {error}"
        raise ValueError(msg) from None


def _moment(at: str) -> int:
    try:
        return parse_rfc3339(at)
    except ValueError:
        msg = f"--at {at}: write an RFC 3339 time with offset, such as 2026-01-31T12:00:00Z"
        raise ValueError(msg) from None


def _set(sets: list[FeatureSet], entity: str) -> FeatureSet:
    found = [one for one in sets if one.entity == entity]
    if not found:
        names = ", ".join(one.entity for one in sets)
        msg = f"--entity {entity}: no feature set is about it; there are {names}"
        raise ValueError(msg)
    return found[0]
