"""What a contract says of one field, as plain data; whatever is derived reads this."""

import msgspec

from schemas.declaration_error import in_one_line

__all__ = ["CONTAINERS", "ContractError", "FieldType", "depth", "holds_record"]

CONTAINERS = ("array", "map", "record")


class ContractError(ValueError):
    """A contract that cannot be used, in one line: file, field, problem, remedy."""

    def __init__(self, file: str, field: str, problem: str, remedy: str) -> None:
        where = f"{file}: {field}" if field else file
        super().__init__(in_one_line(f"{where}: {problem}; {remedy}"))


class FieldType(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a field, of an array's items or of a map's values.

    `kind` is one of boolean, int, long, float, double, bytes, string, date, timestamp-millis,
    timestamp-micros, decimal, uuid, enum, array, map, record. `pii` is None, "pseudonymise" or
    "drop". An absent field takes `default`, unless it is `required`. `examples`, `minimum` and
    `maximum` are for generated values and the dictionary; they restrict nothing.
    """

    kind: str
    nullable: bool = False
    pii: str | None = None
    precision: int = 0
    scale: int = 0
    symbols: tuple[str, ...] = ()
    items: "FieldType | None" = None
    fields: dict[str, "FieldType"] = {}
    doc: str = ""
    required: bool = True
    default: object = None
    examples: tuple[object, ...] = ()
    minimum: int | float | None = None
    maximum: int | float | None = None


def _children(field: FieldType) -> list[FieldType]:
    return [*field.fields.values(), *([field.items] if field.items else [])]


def depth(field: FieldType) -> int:
    """Return how many JSON objects and arrays a value of this type nests.

    >>> depth(FieldType(kind="array", items=FieldType(kind="long")))
    1
    """
    inside = max((depth(child) for child in _children(field)), default=0)
    return inside + (field.kind in CONTAINERS)


def holds_record(field: FieldType) -> bool:
    """Return whether a record is anywhere in a value of this type."""
    return field.kind == "record" or any(holds_record(child) for child in _children(field))
