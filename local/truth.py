"""The truth of a generated stream: what every row must hold when all of it has been processed.

It is computed from what the generator meant, by the rules of the feature files and of
docs/bigtable.md, without any of the pipeline's code, in plain dictionaries.
"""

import copy
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NamedTuple

from local.feature_rules import Rule, RuleSet
from local.generate import Message

__all__ = ["Truth"]

_MOST_RIVALS = 8


class _Row:
    """State: name -> (ms, event id, value). Tiles: (feature, start in ms) -> what contributed."""

    def __init__(self) -> None:
        self.state: dict[str, tuple[int, str, Any]] = {}
        self.tiles: dict[tuple[str, int], tuple[Rule, list[tuple[int, str, Any]]]] = {}

    def add(self, rule: Rule, event: dict[str, Any], time: int, *, late: bool) -> None:
        if not rule.applies(event, time):
            return
        value = rule.value(event, time) if rule.value else 1
        if value is None:
            return
        entry = (time // 1_000, event["event_id"], value)
        if rule.aggregate == "state":
            old = self.state.get(rule.name)
            if old is None or old[:2] <= entry[:2]:
                self.state[rule.name] = entry
        elif not late:
            start = entry[0] // rule.tile * rule.tile
            self.tiles.setdefault((rule.name, start), (rule, []))[1].append(entry)

    @property
    def holds_something(self) -> bool:
        return bool(self.state or self.tiles)

    def within(self, name: str, after: float, upto: float) -> tuple[list[Any], str]:
        """Return the entries of the tiles that begin in (after, upto], and their aggregate."""
        found = [
            (rule.aggregate, entries)
            for (feature, start), (rule, entries) in self.tiles.items()
            if feature == name and after < start <= upto
        ]
        return [entry for _, entries in found for entry in entries], found[0][0] if found else ""

    def document(self) -> dict[str, Any]:
        """State: {name: {ms, value}}; tiles: {feature: {start in ms: {n, value or distinct}}}."""
        state = {
            name: {"ms": ms, "value": _json(value)}
            for name, (ms, _, value) in sorted(self.state.items())
        }
        tiles: dict[str, dict[str, Any]] = defaultdict(dict)
        for (name, start), (rule, entries) in sorted(self.tiles.items()):
            tiles[name][str(start)] = {"n": len(entries), **_aggregated(rule.aggregate, entries)}
        return {"state": state, "tiles": dict(tiles)}


class _Rival(NamedTuple):
    event: dict[str, Any]
    time: int


class Truth:
    """Takes the messages of a stream, in any order, and tells what must come of them.

    Args:
        rule_sets: the features, from `read_rules`.
        batch: nothing is late in batch: such events are accepted and enter their tiles.
    """

    def __init__(self, rule_sets: list[RuleSet], *, batch: bool) -> None:
        self._sets = rule_sets
        self._batch = batch
        self._rows: dict[str, _Row] = defaultdict(_Row)
        self._rivals: dict[str, list[_Rival]] = defaultdict(list)
        self._counts: Counter[str] = Counter()

    def watch(self, messages: Iterable[Message]) -> Iterable[Message]:
        """Pass messages on, taking note of each."""
        for message in messages:
            self.add(message)
            yield message

    def add(self, message: Message) -> None:
        """Take note of one message."""
        self._counts["read"] += 1
        label = "accepted" if message.label == "event" else message.label
        if label == "late" and self._batch:
            label = "accepted"
        self._counts[label] += 1
        if message.rival:
            rivals = self._rivals[message.event["event_id"]]
            rivals.append(_Rival(message.event, message.time))
        elif label in ("accepted", "late"):
            self._contribute(self._rows, message.event, message.time, late=label == "late")

    def document(self) -> dict[str, Any]:
        """Return counts and rows as JSON values.

        `rows` maps each row key to the list of what it may hold: one document for nearly all. Where
        ids were in conflict and either content may have been kept, each alternative says under
        `if` which one it supposes (0: the first that was sent); one that holds nothing means that
        there is no such row. `tile_ms` gives the length of each feature's tiles, by entity.
        """
        rows = {key: [row.document()] for key, row in self._rows.items() if row.holds_something}
        rows.update(self._disputed_rows())
        tile_ms = {entity: _tile_lengths(rules) for entity, rules in self._sets}
        return {"counts": self.counts(), "tile_ms": tile_ms, "rows": dict(sorted(rows.items()))}

    def values(self, row_key: str, spans: dict[str, int], at: int) -> dict[str, Any]:
        """Return a row's values at a time: {state name: value, feature: {span: value}}.

        Spans and time are in microseconds. A span is made of the tiles that begin after `at` less
        the span, up to the one that holds `at`; without a contribution it has no value. Rivals of
        an id conflict are left out.
        """
        row = self._rows[row_key]
        found: dict[str, Any] = {name: entry[2] for name, entry in row.state.items()}
        for name, span in itertools.product({name for name, _ in row.tiles}, spans):
            entries, aggregate = row.within(name, (at - spans[span]) / 1_000, at / 1_000)
            if entries:
                folded = _aggregated(aggregate, entries)
                found.setdefault(name, {})[span] = folded.get("value", folded.get("distinct"))
        return found

    def counts(self) -> dict[str, Any]:
        """Return what a bounded run's counters must say."""
        names = ("read", "accepted", "duplicate", "conflict", "late")
        counts: dict[str, Any] = {name: self._counts[name] for name in names}
        rejected = {key: n for key, n in self._counts.items() if key.startswith("rejected.")}
        counts["rejected"] = {key.partition(".")[2]: n for key, n in sorted(rejected.items())}
        return counts

    def _contribute(
        self, rows: dict[str, _Row], event: dict[str, Any], time: int, *, late: bool
    ) -> None:
        for entity, rules in self._sets:
            if event["event_type"] not in rules:
                continue
            read_key, listed = rules[event["event_type"]]
            identifier = read_key(event, time)
            if identifier is None:
                continue
            row = rows[_row_key(entity, str(identifier))]
            for rule in listed:
                row.add(rule, event, time, late=late)

    def _disputed_rows(self) -> dict[str, list[dict[str, Any]]]:
        touched: dict[str, set[str]] = defaultdict(set)
        for event_id, rivals in self._rivals.items():
            for rival in rivals:
                alone: dict[str, _Row] = defaultdict(_Row)
                self._contribute(alone, rival.event, rival.time, late=False)
                for key in alone:
                    touched[key].add(event_id)
        return {key: self._alternatives(key, sorted(ids)) for key, ids in touched.items()}

    def _alternatives(self, key: str, ids: list[str]) -> list[dict[str, Any]]:
        if len(ids) > _MOST_RIVALS:
            msg = f"{len(ids)} id conflicts meet in one row: lower the rate of conflicts"
            raise ValueError(msg)
        found = []
        for choice in itertools.product(*(range(len(self._rivals[name])) for name in ids)):
            rows = defaultdict(_Row)
            rows[key] = copy.deepcopy(self._rows[key]) if key in self._rows else _Row()
            for name, kept in zip(ids, choice, strict=True):
                rival = self._rivals[name][kept]
                self._contribute(rows, rival.event, rival.time, late=False)
            document = rows[key].document()
            found.append({**document, "if": dict(zip(ids, choice, strict=True))})
        return found


def _aggregated(aggregate: str, entries: list[tuple[int, str, Any]]) -> dict[str, Any]:
    values = [value for _, _, value in entries]
    if aggregate == "approx_distinct":
        return {"distinct": len(set(values))}
    if aggregate == "last":
        return {"value": _json(max(entries, key=lambda entry: entry[:2])[2])}
    value = {"count": len, "sum": sum, "min": min, "max": max}[aggregate](values)  # type: ignore[operator]
    return {"value": _json(value)}


def _json(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _tile_lengths(rules: dict[str, tuple[Any, list[Rule]]]) -> dict[str, int]:
    listed = [rule for _, of_type in rules.values() for rule in of_type]
    return {rule.name: rule.tile for rule in listed if rule.aggregate != "state"}


def _row_key(entity: str, identifier: str) -> str:
    return f"{sha256(identifier.encode()).hexdigest()[:2]}#{entity}#{identifier}"
