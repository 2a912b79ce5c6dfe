"""What a reconciliation of layers found, in the form of checks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from schemas.quality import Finding

__all__ = ["Counts", "layer_findings"]

_OWNER = "audit"
_SAID = {
    "lost": ("error", "messages that are nowhere"),
    "other_content": ("error", "messages beside a row of other content, without their conflict"),
    "invented": ("error", "rows whose message the archive does not have"),
    "differing": ("warn", "events of which live and batch kept different copies"),
    "doubled": ("warn", "rows beyond the first of their event, which the views do not show"),
}


class Counts(Protocol):
    """What `transforms.reconcile` counts."""

    messages: int
    curated: int
    duplicates: int
    late: int
    lost: int
    other_content: int

    @property
    def rejected(self) -> Mapping[str, int]:
        """Messages by the reason that they were refused for."""
        ...


def layer_findings(
    found: Counts, names: Mapping[str, Sequence[str]], sources: str
) -> Iterator[Finding]:
    """Yield the sum of the sources' messages, and what should not be, with the ids of some."""
    table = f"archive/{sources}"
    unexplained = found.lost + found.other_content
    yield Finding(
        "explained",
        table,
        _OWNER,
        "error",
        float(unexplained),
        "at most 0",
        unexplained == 0,
        _sum(found),
    )
    for what, (severity, said) in _SAID.items():
        value = getattr(found, what)
        detail = f"{said}: {', '.join(names.get(what, ()))}" if value else said
        yield Finding(what, table, _OWNER, severity, float(value), "at most 0", value == 0, detail)


def _sum(found: Counts) -> str:
    rejected = sorted(found.rejected.items())
    parts = [
        (found.curated, "curated"),
        (found.duplicates, "duplicate"),
        (found.late, "late"),
        *((number, f"refused as {reason}") for reason, number in rejected),
        (found.lost + found.other_content, "unexplained"),
    ]
    told = " + ".join(f"{number} {what}" for number, what in parts)
    return f"{found.messages} messages = {told}"
