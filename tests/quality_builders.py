"""Checks, and rows of a table in which each passes or fails."""

from typing import Any, NamedTuple

import msgspec

from schemas.contract import load_contracts
from schemas.metric_set import load_metrics
from schemas.quality import Check, Finding, judged
from schemas.quality_rows import measure_rows
from schemas.quality_set import parse_checks
from schemas.table_set import TableSet
from schemas.times import DAY, SECOND, format_rfc3339, parse_rfc3339

CONTRACTS = load_contracts(None)
METRICS = load_metrics(None, CONTRACTS)
TABLES = TableSet.of(CONTRACTS, METRICS)
START = parse_rfc3339("2026-01-05T00:00:00Z")
END = START + DAY
PURCHASE, SIGNUP = "silver_billing.purchase", "silver_identity.signup"


class Case(NamedTuple):
    """A check, the rows of the two tables, and what it must find."""

    entry: str
    rows: list[dict[str, Any]]
    passes: bool
    value: float | None
    table: str = f"{PURCHASE}_current"
    known: tuple[str, ...] = ()

    @property
    def check(self) -> Check:
        return check(self.entry, self.table)

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        known = [
            row(f"s{n}", user_id=user, event_details=_SIGNUP) for n, user in enumerate(self.known)
        ]
        return {PURCHASE: self.rows, SIGNUP: known}


_ORDER = {"order_id": "o", "currency": "EUR", "payment_method": "card"}
_SIGNUP = {"email": "e", "method": "sso", "country": "DE", "plan": "pro", "marketing_consent": True}


def check(entry: str, table: str = f"{PURCHASE}_current") -> Check:
    text = f"tables: [{table}]\nowner: somebody\nchecks:\n  - {{name: c, {entry}}}\n"
    [found] = parse_checks(text, "q.yaml", TABLES)
    return found


def row(
    event_id: str, at: int = 0, amount: int | None = 5, digest: str = "00" * 16, **more: Any
) -> dict[str, Any]:
    """Return a curated row of an event that happened some seconds after the start."""
    time = format_rfc3339(START + at * SECOND)
    given = {
        "event_id": event_id,
        "event_type": "purchase",
        "user_id": "u1",
        "event_timestamp": time,
        "publish_time": time,
        "ingest_time": "2026-01-07T00:00:00Z",
        "content_digest": digest,
        "event_details": None if amount is None else {**_ORDER, "amount_minor": amount},
    }
    return {name: value for name, value in {**given, **more}.items() if value is not None}


def found_by_rows(case: Case) -> Finding:
    tables = case.tables()
    measured = measure_rows(case.check, lambda name: tables.get(name, []), START, END)
    return judged(case.check, measured)


_DAY = 86_400
_AMOUNT = "check: range, column: event_details.amount_minor, between: [0, 10]"
_VOLUME = "check: volume, trailing: 2, between: [0.5, 2]"
_KNOWN = f"check: references, column: user_id, to: '{SIGNUP}:user_id'"
_DIGESTS = ["aa" * 16, "bb" * 16]

CASES = {
    "new rows are fresh": Case(
        "check: freshness, at_most: 1h", [row("a"), row("b", _DAY - 60)], True, 60.0
    ),
    "old rows are not": Case("check: freshness, at_most: 1h", [row("a")], False, float(_DAY)),
    "rows that are too old to look at": Case(
        "check: freshness, at_most: 1d", [row("a", -5)], False, None
    ),
    "no rows are not fresh": Case("check: freshness, at_most: 2d", [], False, None),
    "what comes later freshens nothing": Case(
        "check: freshness, at_most: 3d", [row("a"), row("b", _DAY)], True, float(_DAY)
    ),
    "the usual volume": Case(
        _VOLUME, [row("a", -_DAY), row("b", -2 * _DAY), row("c"), row("d", 5)], True, 2.0
    ),
    "too little": Case(
        _VOLUME, [row(f"e{n}", -_DAY - n) for n in range(6)] + [row("c")], False, 1 / 3
    ),
    "a table that stops": Case(_VOLUME, [row("a", -_DAY)], False, 0.0),
    "no volume to compare with": Case(_VOLUME, [row("c")], True, None),
    "an older span than the trailing ones": Case(_VOLUME, [row("a", -3 * _DAY)], True, None),
    "each stored once": Case(
        "check: duplicates, column: event_id", [row("a"), row("b")], True, 0.0, PURCHASE
    ),
    "one stored twice": Case(
        "check: duplicates, column: event_id, at_most: 0.3",
        [row("a"), row("a"), row("b"), row("b", 5)],
        False,
        0.5,
        PURCHASE,
    ),
    "few without a session": Case(
        "check: null_rate, column: session_id, at_most: 0.5",
        [row("a", session_id="s"), row("b")],
        True,
        0.5,
    ),
    "many without a session": Case(
        "check: null_rate, column: session_id, at_most: 0.5",
        [row("a", session_id="s"), row("b"), row("c")],
        False,
        2 / 3,
    ),
    "a member of no record is null": Case(
        "check: null_rate, column: event_details.amount_minor, at_most: 0",
        [row("a", amount=None)],
        False,
        1.0,
    ),
    "amounts in the range, ends included": Case(
        _AMOUNT, [row("a", amount=0), row("b", amount=10), row("c", amount=None)], True, 0.0
    ),
    "an amount below": Case(_AMOUNT, [row("a", amount=-1), row("b")], False, 0.5),
    "an amount above": Case(_AMOUNT, [row("a", amount=11), row("b")], False, 0.5),
    "one of another day": Case(_AMOUNT, [row("a", -1, 11), row("b", _DAY, 11)], True, None),
    "no more than may be": Case(f"{_AMOUNT}, at_most: 0.5", [row("a", amount=11), row("b")], True,
                                0.5),
    "only the copy that counts": Case(
        _AMOUNT,
        [row("a", amount=11, digest=_DIGESTS[1]), row("a", amount=5, digest=_DIGESTS[0])],
        True,
        0.0,
    ),
    "a known user": Case(_KNOWN, [row("a"), row("b")], True, 0.0, known=("u1", "u1")),
    "an unknown user": Case(
        _KNOWN, [row("a"), row("b", user_id="u2")], False, 0.5, known=("u1",)
    ),
}  # fmt: skip


def as_line(given: dict[str, Any]) -> bytes:
    return msgspec.json.encode(given)
