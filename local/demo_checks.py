"""What the demo holds against the truth, check by check."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from local.check_rows import differences
from local.compare_rows import Comparison
from local.demo_beside import Beside
from local.demo_report import Findings, unbalanced
from local.demo_windows import unlike_truth
from local.generate import Message
from local.tables import read_table
from schemas.bigtable_table import TableName

__all__ = ["Check", "checks", "unbalanced_rows"]

_PARTS = ("accepted", "duplicate", "conflict", "late")


class Check(NamedTuple):
    """A claim in a few words, what was looked at, and how it does not hold: nothing if it does."""

    claim: str
    told: str
    problems: list[str]


def checks(
    found: Findings,
    beside: Beside | None,
    tables: tuple[TableName, TableName],
    messages: list[Message],
) -> Iterator[Check]:
    """Yield what was checked; of a demo of the hot path alone, only its checks."""
    cells = list(read_table(tables[0]))
    rows = len({cell[0] for cell in cells})
    yield Check(
        "Every row in Bigtable is right",
        f"{rows:,} rows, cell by cell, beside a truth computed without the pipelines' code",
        list(differences(found.truth, cells)),
    )
    looked_at = [name for name, there in _looked_at(found) if there]
    if looked_at:
        claim = "Nothing is lost on the way to Bigtable"
        yield Check(claim, ", and ".join(looked_at), unbalanced(found))
    if beside is not None:
        yield _replayed(found, beside, tables[1])
        yield _curated(beside, messages)
        yield Check(
            "After the correction the metrics are exact",
            f"{sum(each.after for each in beside.seconds):,} events in {len(beside.seconds)}"
            " windows of a second",
            unlike_truth(messages, beside.seconds),
        )
        yield _counted(beside)
        failed = [beside.audit_failed] if beside.audit_failed else []
        yield Check("The audit finds nothing lost", f"{len(beside.audited)} checks", failed)


def _looked_at(found: Findings) -> Iterator[tuple[str, bool]]:
    yield "the counters of the hot path add up", bool(found.counters)
    yield "the archive holds every message", found.archived is not None


def _counted(beside: Beside) -> Check:
    problems = [
        line for name, each in beside.counters.items() for line in unbalanced_rows(name, each)
    ]
    for name, why in beside.refused.items():
        problems.append(f"{name}: the first of them because of {why}")
    told = ", ".join(_NAMES[name] for name in beside.counters)
    return Check("Counters add up in every job", told, problems)


_NAMES = {
    "curated": "curated events",
    "windows": "metrics of windows",
    "replay": "replay",
    "recomputed": "recomputation",
}


def _replayed(found: Findings, beside: Beside, table: TableName) -> Check:
    disputed = {key for key, rows in found.truth["rows"].items() if "if" in rows[0]}
    problems = [f"replay: {line}" for line in differences(found.truth, read_table(table))]
    problems += _unlike(beside.compared, disputed)
    told = f"{beside.compared.rows_b:,} rows of a second table beside {beside.compared.rows_a:,}"
    return Check("A replay from the archive gives the same table", told, problems)


def _unlike(compared: Comparison, disputed: set[str]) -> Iterator[str]:
    """Yield what differs between the tables, but for rows that ids in conflict touch."""
    for name, only in (("live", compared.only_a), ("replay", compared.only_b)):
        rows = [key.decode() for key in only.sample if key.decode() not in disputed]
        if rows:
            yield f"only {name} has the row {rows[0]}"
    for column, found in compared.columns.items():
        rows = [key.decode() for key in found.sample if key.decode() not in disputed]
        if rows:
            yield f"live and replay differ in {column} of {rows[0]}"


def _curated(beside: Beside, messages: list[Message]) -> Check:
    wanted = {
        message.event["event_id"] for message in messages if message.label in ("event", "late")
    }
    found = Counter(event_id for ids in beside.curated.values() for event_id in ids)
    problems = []
    if missing := len(wanted - found.keys()):
        problems.append(f"{missing} events have no curated row")
    if surplus := len(found.keys() - wanted):
        problems.append(f"{surplus} curated rows are of no event")
    if twice := sum(count > 1 for count in found.values()):
        problems.append(f"{twice} events have more than one curated row")
    told = f"{len(found):,} events in {sum(map(bool, beside.curated.values()))} tables"
    return Check("Every event is one typed row", told, problems)


def unbalanced_rows(name: str, counters: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not add up in the counters of a job, for each sum that it knows."""
    if "read" in counters:
        parts = sum(counters.get(part, 0) for part in _PARTS) + sum(counters["rejected"].values())
        if counters["read"] != parts:
            yield f"{name}: read is not the sum of its parts"
    for handed, written, refused in (
        ("rows", "rows_written", "rows_refused"),
        ("mutations", "written", "refused"),
    ):
        if handed in counters and counters[handed] != counters[written] + counters[refused]:
            yield f"{name}: {handed} are not written + refused"
        if counters.get(refused):
            yield f"{name}: {counters[refused]} {handed} were refused"
