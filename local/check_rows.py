"""Compares what a table holds with the truth, cell by cell, without any of the pipeline's code."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from datasketches import compact_theta_sketch

from local.plain_values import cell_bytes

__all__ = ["Found", "differences"]

Found: TypeAlias = tuple[str, str, str, int, bytes]
"""A cell as it was read: row key, family, qualifier, timestamp in microseconds, value."""

_EXACT = 2_048
_ROUGHLY = 0.1


class _Held(NamedTuple):
    timestamp: int
    value: bytes


_Cells: TypeAlias = dict[tuple[str, str, int], _Held]


def differences(truth: dict[str, Any], cells: Iterable[Found]) -> Iterator[str]:
    """Yield a line for each row that is not what the truth says; none of them holds a value.

    The truth is a document of `local.truth.Truth`. Cells may come in any order and in any number of
    versions: the highest counts, in tiles within each tile. Of ids in conflict either content may
    have been kept, but the same one in every row.
    """
    table = _newest(truth["tile_ms"], cells)
    kept: dict[str, set[int]] = {}
    for key in sorted(truth["rows"].keys() | table.keys()):
        allowed = truth["rows"].get(key, [{"state": {}, "tiles": {}}])
        problems = [list(_row_differences(wanted, table.get(key, {}))) for wanted in allowed]
        right = [wanted for wanted, found in zip(allowed, problems, strict=True) if not found]
        if not right:
            yield f"{key}: {'; '.join(problems[0][:5])}"
        for event_id in allowed[0].get("if", {}) if right else ():
            choices = {wanted["if"][event_id] for wanted in right}
            kept[event_id] = kept.get(event_id, choices) & choices
    for event_id in sorted(kept):
        if not kept[event_id]:
            yield f"id conflict {event_id}: some rows hold one of its events, some the other"


def _newest(tile_ms: dict[str, dict[str, int]], cells: Iterable[Found]) -> dict[str, _Cells]:
    table: dict[str, _Cells] = defaultdict(dict)
    for key, family, qualifier, timestamp, value in cells:
        start = 0
        if family == "t":
            length = tile_ms.get(key.split("#")[1], {}).get(qualifier, 1)
            start = timestamp // 1_000 // length * length
        held = table[key].get((family, qualifier, start))
        if held is None or held.timestamp < timestamp:
            table[key][family, qualifier, start] = _Held(timestamp, value)
    return table


def _row_differences(wanted: dict[str, Any], found: _Cells) -> Iterator[str]:
    expected = _expected(wanted)
    for name in sorted(expected.keys() | found.keys()):
        label = f"{name[0]}:{name[1]}" + (f" tile {name[2]}" if name[0] == "t" else "")
        if name not in found:
            yield f"{label} is missing"
        elif name not in expected:
            yield f"{label} should not be there"
        else:
            timestamp, content = expected[name]
            if found[name].timestamp != timestamp:
                versions = f"{found[name].timestamp} instead of {timestamp}"
                yield f"{label} has version {versions}"
            elif not _same(content, found[name].value):
                yield f"{label} has another value"


def _expected(wanted: dict[str, Any]) -> dict[tuple[str, str, int], tuple[int, dict[str, Any]]]:
    state = {
        ("s", name, 0): (content["ms"] * 1_000, content)
        for name, content in wanted["state"].items()
    }
    tiles = {
        ("t", name, int(start)): ((int(start) + content["n"]) * 1_000, content)
        for name, of_feature in wanted["tiles"].items()
        for start, content in of_feature.items()
    }
    return {**state, **tiles}


def _same(content: dict[str, Any], value: bytes) -> bool:
    if "distinct" in content:
        estimate = compact_theta_sketch.deserialize(value).get_estimate()
        slack = 0 if content["distinct"] <= _EXACT else _ROUGHLY * content["distinct"]
        return bool(abs(estimate - content["distinct"]) <= slack)
    wanted = content["value"]
    if isinstance(wanted, dict):
        return bytes.fromhex(wanted["hex"]) == value
    return cell_bytes(wanted) == value
