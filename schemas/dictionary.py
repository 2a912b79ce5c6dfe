"""Writes the data dictionary: one page on every field of every event type."""

from collections.abc import Iterator

from schemas.contract_set import Contract, Contracts
from schemas.field_types import FieldType

__all__ = ["dictionary_page"]

_HEAD = """# Data dictionary

Written from the contracts by `make docs`; change `schemas/contracts/` and run it again. How a
contract is written, and how each type looks in JSON, says [contracts.md](contracts.md).

Personal: *pseudonym* = stored as a keyed pseudonym only; *dropped* = never stored outside the
access-restricted archive and quarantine.
"""
_PERSONAL = {None: "", "pseudonymise": "pseudonym", "drop": "dropped"}
_TABLE = ("| field | type | null | personal | meaning |", "|---|---|---|---|---|")


def dictionary_page(contracts: Contracts) -> str:
    """Return the page as Markdown, the same for the same contracts."""
    lines = [_HEAD, "## Every event\n", contracts.envelope.doc, "", *_table(contracts.envelope)]
    domain = ""
    for contract in sorted(contracts.types.values(), key=lambda one: (one.domain, one.event_type)):
        if contract.domain != domain:
            domain = contract.domain
            lines += ["", f"## {domain}"]
        lines += ["", f"### {contract.event_type}", "", contract.doc, "", *_table(contract)]
    return "\n".join(lines) + "\n"


def _table(contract: Contract) -> list[str]:
    rows = [row for name, field in contract.fields.items() for row in _rows(name, field)]
    return [*_TABLE, *rows] if rows else ["No fields of its own."]


def _rows(path: str, field: FieldType) -> Iterator[str]:
    null = "yes" if field.nullable else ""
    cells = (f"`{path}`", _type(field), null, _PERSONAL[field.pii], _meaning(field))
    yield "| " + " | ".join(cells) + " |"
    suffix = {"array": "[]", "map": "{}"}
    while field.items is not None:
        path, field = path + suffix[field.kind], field.items
    for name, child in field.fields.items():
        yield from _rows(f"{path}.{name}", child)


def _type(field: FieldType) -> str:
    if field.items is not None:
        return f"{field.kind} of {_type(field.items)}"
    if field.kind == "decimal":
        return f"decimal({field.precision}, {field.scale})"
    return field.kind


def _meaning(field: FieldType) -> str:
    told = [field.doc.replace("|", "\\|").replace("\n", " ")]
    inner = field
    while inner.items is not None:
        inner = inner.items
    if inner.symbols:
        told.append("One of " + ", ".join(f"`{symbol}`" for symbol in inner.symbols) + ".")
    if not (field.required or field.default is None):
        told.append(f"Absent: `{field.default}`.")
    return " ".join(part for part in told if part)
