"""What is expected of a table, and what was found: the nouns of checks and audits."""

import math

import msgspec

from schemas.tables import Table

__all__ = ["CURRENT", "Bound", "Check", "Finding", "Measured", "Relation", "judged"]

CURRENT = "_current"
"""How the name of a view ends that has one row for each event id."""


class Relation(msgspec.Struct, frozen=True):
    """Rows that a check looks at: a table, or with `once` the rows of it that its view shows.

    `time` is the column by which rows are chosen, that of the partitions.
    """

    table: Table
    once: bool = False

    @property
    def name(self) -> str:
        """Return `<dataset>.<name>` of the table, or of the view."""
        return self.table.full_name + (CURRENT if self.once else "")

    @property
    def time(self) -> str:
        """Return the column by which rows are chosen."""
        assert self.table.partition is not None
        return self.table.partition


class Bound(msgspec.Struct, frozen=True):
    """What a value may be, ends included; infinite: no bound on that side.

    >>> str(Bound(most=0.5)), str(Bound(0.2, 5)), 7 in Bound(0.2, 5)
    ('at most 0.5', '0.2 to 5', False)
    """

    least: float = -math.inf
    most: float = math.inf

    def __contains__(self, value: float) -> bool:
        return self.least <= value <= self.most

    def __str__(self) -> str:
        if self.least == -math.inf:
            return f"at most {self.most:g}"
        if self.most == math.inf:
            return f"at least {self.least:g}"
        return f"{self.least:g} to {self.most:g}"


class Check(msgspec.Struct, frozen=True):
    """One expectation of one table; docs/audit.md says what the value of each `kind` is.

    `column` is a path of members; `values` what it may be (`range`). `trailing` says of how many
    spans before the audited one the mean is (`volume`). `known` is where a value must be found, in
    its column `known_column` (`references`). `severity` is `error` or `warn`.
    """

    name: str
    kind: str
    relation: Relation
    owner: str
    severity: str
    bound: Bound
    column: str = ""
    values: Bound = Bound()
    trailing: int = 0
    known: Relation | None = None
    known_column: str = ""


class Measured(msgspec.Struct, frozen=True):
    """What a check found: how many rows or values it looked at, and its value.

    `value` is None where there was nothing to compute it of.
    """

    looked_at: int
    value: float | None


class Finding(msgspec.Struct, frozen=True):
    """The outcome of a check or of a comparison; `detail` holds no value of an event but ids."""

    check: str
    table: str
    owner: str
    severity: str
    value: float | None
    bound: str
    passed: bool
    detail: str = ""

    @property
    def is_error(self) -> bool:
        """Return whether it failed, and must not have."""
        return not self.passed and self.severity == "error"


def judged(check: Check, measured: Measured) -> Finding:
    """Return the outcome of a check.

    Where there is nothing to measure, only freshness fails: of no rows none is wrong.
    """
    value = measured.value
    passed = check.kind != "freshness" if value is None else value in check.bound
    detail = _detail(check, measured)
    return Finding(
        check.name,
        check.relation.name,
        check.owner,
        check.severity,
        value,
        str(check.bound),
        passed,
        detail,
    )


def _detail(check: Check, measured: Measured) -> str:
    looked_at = f"{measured.looked_at} {'values of ' + check.column if check.column else 'rows'}"
    if measured.value is not None:
        return looked_at
    if check.kind == "freshness":
        return "no row that is new enough"
    return f"{looked_at}; nothing to compare with"
