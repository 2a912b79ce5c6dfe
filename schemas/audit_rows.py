"""The rows of `ops.audit`: what an audit of a span found."""

import hashlib
from collections.abc import Iterable

import msgspec

from schemas.bigquery_json import encode_json
from schemas.ops_tables import AUDIT
from schemas.quality import Finding
from schemas.row_packs import RowPack
from schemas.silver_rows import stamp

__all__ = ["AuditedSpan", "audit_rows"]


class AuditedSpan(msgspec.Struct, frozen=True):
    """Which audit: its name, the span [start, end) and the time of its launch in microseconds."""

    run: str
    start: int
    end: int
    checked_at: int


def audit_rows(findings: Iterable[Finding], span: AuditedSpan) -> RowPack:
    """Return a row for each finding, with an insert id that is the same for the same audit.

    >>> audit_rows([Finding("c", "t", "o", "warn", None, "at most 0", True)],
    ...            AuditedSpan("r", 0, 1, 2)).rows[0][:41]
    b'{"run":"r","check":"c","table":"t","owner'
    """
    rows, ids = [], []
    for finding in findings:
        row = {"run": span.run, **msgspec.structs.asdict(finding)}
        row["span_start"] = msgspec.Raw(stamp(span.start))
        row["span_end"] = msgspec.Raw(stamp(span.end))
        row["checked_at"] = msgspec.Raw(stamp(span.checked_at))
        rows.append(encode_json({name: each for name, each in row.items() if each is not None}))
        key = "\n".join((span.run, finding.check, finding.table))
        ids.append(hashlib.blake2b(key.encode(), digest_size=16).hexdigest())
    return RowPack(AUDIT.full_name, rows, ids)
