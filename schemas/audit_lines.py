"""What an audit found, as lines that people read in a terminal."""

from collections.abc import Iterator, Sequence

from schemas.quality import Finding

__all__ = ["audit_lines"]

_HEAD = ("", "check", "table", "owner", "value", "may be", "what was seen")


def audit_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield a table of the findings, errors last, and a line that sums them up.

    >>> list(audit_lines([Finding("c", "t", "o", "warn", 2, "at most 0", False)]))[1:]
    ['warn  c      t      o      2      at most 0', '1 checks: 0 passed, 1 warned, 0 failed']
    """
    ordered = sorted(findings, key=_rank)
    rows = [_HEAD, *map(_cells, ordered)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD) - 1)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        yield "  ".join((*cells, row[-1])).rstrip()
    failed = sum(each.is_error for each in findings)
    passed = sum(each.passed for each in findings)
    warned = len(findings) - passed - failed
    yield f"{len(findings)} checks: {passed} passed, {warned} warned, {failed} failed"


def _rank(finding: Finding) -> tuple[int, str, str]:
    return 0 if finding.passed else 2 if finding.is_error else 1, finding.table, finding.check


def _cells(finding: Finding) -> tuple[str, ...]:
    status = "ok" if finding.passed else "ERROR" if finding.is_error else "warn"
    value = "-" if finding.value is None else f"{finding.value:.6g}"
    shown = (status, finding.check, finding.table, finding.owner, value, finding.bound,
             finding.detail)  # fmt: skip
    return tuple(map(_visible, shown))


def _visible(text: str) -> str:
    """Escape what a terminal obeys: ids come from whoever publishes."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
