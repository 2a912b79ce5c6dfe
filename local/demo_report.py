"""What the demo prints at its end, and whether the counters add up."""

from collections.abc import Iterator
from typing import Any

from local.tables import read_cells
from schemas.bigtable_table import TableName
from schemas.contract import load_contracts
from schemas.feature_set import load_features
from schemas.tiles import fold_row

__all__ = ["report_lines", "unbalanced"]

_SPANS = ("1h", "24h", "30d")
_NAMES = ("read", "accepted", "duplicate", "conflict", "late", "mutations", "written", "refused")


def report_lines(
    truth: dict[str, Any], counters: dict[str, Any], lost: int, table: TableName
) -> Iterator[str]:
    """Yield what was read, written and refused, and one user's features as a reader sees them."""
    yield f"{lost} acknowledgements were lost on the way, so those messages came twice"
    for name in _NAMES if counters else ():
        yield f"{name:>24} {counters.get(name, 0):>8}"
    for reason, count in sorted(counters.get("rejected", {}).items()):
        yield f"{'rejected, ' + reason:>33} {count:>8}"
    yield from _one_user(truth, table)


def _one_user(truth: dict[str, Any], table: TableName) -> Iterator[str]:
    """Show the busiest user at the time of its last event."""
    users = {key: rows[0] for key, rows in truth["rows"].items() if "#user#" in key}
    key = max(users, key=lambda name: (sum(map(len, users[name]["tiles"].values())), name))
    at = max(content["ms"] for content in users[key]["state"].values()) * 1_000
    features = next(
        one for one in load_features(None, load_contracts(None)) if one.entity == "user"
    )
    yield f"row {key}"
    folded = fold_row(read_cells(table, key.encode()), features, _SPANS, at)
    for name, value in folded.items():
        shown = (
            "  ".join(f"{span} {value[span]}" for span in _SPANS)
            if isinstance(value, dict)
            else value
        )
        yield f"{name:>24} {shown}"


def unbalanced(truth: dict[str, Any], counters: dict[str, Any]) -> list[str]:
    """Return what does not add up; redelivered messages raise some counters above the truth."""
    if not counters:
        return []
    rejected = counters["rejected"]
    parts = ("accepted", "duplicate", "conflict", "late")
    total = sum(counters[name] for name in parts) + sum(rejected.values())
    wanted = truth["counts"]
    problems = {
        "read is not the sum of its parts": counters["read"] != total,
        "mutations are not written + refused": counters["mutations"]
        != counters["written"] + counters["refused"],
        "accepted differs from the truth": counters["accepted"] != wanted["accepted"],
        "late differs from the truth": counters["late"] != wanted["late"],
        "fewer rejected than broken": any(
            rejected.get(reason, 0) < count for reason, count in wanted["rejected"].items()
        ),
    }
    return [problem for problem, found in problems.items() if found]
