"""What feature files ask for, read straight from their YAML, apart from the pipeline."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from local.plain_values import Getter, Pseudonym, getter, plain
from schemas.contract import Contracts

__all__ = ["Rule", "RuleSet", "read_rules"]

SHIPPED = Path(__file__).parents[1] / "schemas" / "features"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Rule(NamedTuple):
    """One state field (`aggregate` is "state") or feature, for one event type.

    `tile` is in milliseconds. `value` is None for a plain count. `applies` is its `where`.
    """

    name: str
    aggregate: str
    tile: int
    value: Getter | None
    applies: Callable[[dict[str, Any], int], bool]


class RuleSet(NamedTuple):
    """What is kept of one entity, by event type: how to read its key, and the rules."""

    entity: str
    rules: dict[str, tuple[Getter, list[Rule]]]


def read_rules(
    location: str | None, contracts: Contracts, pseudonym: Pseudonym | None = None
) -> list[RuleSet]:
    """Return the rules of a feature file or a folder of them; None means the shipped ones."""
    base = Path(location) if location else SHIPPED
    files = [base] if base.is_file() else sorted([*base.glob("*.yaml"), *base.glob("*.yml")])
    return [_rule_set(yaml.safe_load(file.read_text()), contracts, pseudonym) for file in files]


def _rule_set(spec: dict[str, Any], contracts: Contracts, pseudonym: Pseudonym | None) -> RuleSet:
    rules: dict[str, tuple[Getter, list[Rule]]] = {}
    for event_type in contracts.types:
        key = getter(contracts, event_type, spec["key"], pseudonym)
        if key is None:
            continue
        asked = [{**entry, "aggregate": "state"} for entry in spec.get("state") or []]
        asked += spec.get("features") or []
        default = spec.get("tile", "1h")
        made = [_rule(entry, event_type, default, contracts, pseudonym) for entry in asked]
        rules[event_type] = (key, [rule for rule in made if rule is not None])
    return RuleSet(spec["entity"], rules)


def _rule(
    entry: dict[str, Any],
    event_type: str,
    tile: str,
    contracts: Contracts,
    pseudonym: Pseudonym | None,
) -> Rule | None:
    value = None
    if entry.get("field"):
        value = getter(contracts, event_type, entry["field"], pseudonym)
        if value is None:
            return None
    tests = []
    for path, wanted in (entry.get("where") or {}).items():
        tested = getter(contracts, event_type, path, pseudonym)
        if tested is None:
            return None
        values = wanted if isinstance(wanted, list) else [wanted]
        tests.append((tested, _wanted(contracts, event_type, path, values)))
    length = _millis(str(entry.get("tile", tile)))
    return Rule(entry["name"], entry["aggregate"], length, value, _all_of(tests))


def _all_of(tests: list[tuple[Getter, list[Any]]]) -> Callable[[dict[str, Any], int], bool]:
    return lambda event, time: all(read(event, time) in wanted for read, wanted in tests)


def _wanted(contracts: Contracts, event_type: str, path: str, values: Iterable[Any]) -> list[Any]:
    if path == "event_type":
        return list(values)
    field = contracts.field(event_type, path)
    if field.kind in ("enum", "string", "boolean", "int", "long"):
        # 1 is no True: Python alone would take one for the other
        return [value for value in values if isinstance(value, bool) == (field.kind == "boolean")]
    return [plain(field, value) for value in values]


def _millis(text: str) -> int:
    number, unit = re.fullmatch(r"([\d.]+)([smhd]?)", text).groups()  # type: ignore[union-attr]
    return round(float(number) * _UNITS[unit or "s"] * 1_000)
