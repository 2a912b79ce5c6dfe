"""What `penstock features get` does."""

import json
import time

from local.tables import read_cells
from schemas.bigtable_table import TableName
from schemas.cells import row_key
from schemas.contract import Contracts, load_contracts
from schemas.credentials import BIGTABLE, require_credentials
from schemas.feature_set import FeatureSet, load_features
from schemas.locations import expanded
from schemas.pseudonym import load_ring, pseudonym
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
    pseudonym_key: str | None = None,
) -> str:
    """Return one row, folded, as JSON; with a key the rows of a person, one for each key.

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
    ids = [identifier]
    if pseudonym_key is not None:
        ids = _pseudonyms(identifier, chosen, known, pseudonym_key)
    require_credentials(f"--bigtable_table={name}", BIGTABLE)
    keys = [row_key(entity, each) for each in ids]
    found = {key.decode(): cells for key in keys if (cells := read_cells(name, key))}
    if not found:
        told = " or ".join(key.decode() for key in keys)
        msg = f"{name} has no row {told}; check the id, --entity and --pseudonym_key"
        raise ValueError(msg)
    told_at = format_rfc3339(moment)
    rows = [
        {"row_key": key, "at": told_at, **fold_row(cells, chosen, asked, moment)}
        for key, cells in found.items()
    ]
    shown = rows[0] if pseudonym_key is None else {"rows": rows}
    return json.dumps(shown, indent=2, ensure_ascii=False, default=str)


def _pseudonyms(
    identifier: str, features: FeatureSet, contracts: Contracts, location: str
) -> list[str]:
    """Return what a person is called in row keys: by each key of a ring, oldest first."""
    if not _is_personal(features, contracts):
        msg = f"--pseudonym_key: ids of --entity {features.entity} are not personal; leave it out"
        raise ValueError(msg)
    ring = load_ring(expanded(location))
    return list(dict.fromkeys(pseudonym(identifier, key) for key in ring.keys))


def _is_personal(features: FeatureSet, contracts: Contracts) -> bool:
    for event_type in contracts.types:
        try:
            field = contracts.field(event_type, features.key)
        except KeyError:
            continue
        if field.pii == "pseudonymise":
            return True
    return False


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
