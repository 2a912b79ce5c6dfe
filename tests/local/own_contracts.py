"""A set of contracts that only tests know, with every kind of field that there is."""

import json
from pathlib import Path

from schemas.contract import Contracts, load_contracts

__all__ = ["own_contracts"]

_COLOURS = {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}
_POINT = {
    "type": "record",
    "name": "Point",
    "fields": [
        {"name": "x", "type": "int"},
        {"name": "label", "type": ["null", "string"], "default": None},
    ],
}
_FIELDS = {
    "yes": "boolean",
    "small": "int",
    "large": "long",
    "ratio": "float",
    "share": "double",
    "blob": "bytes",
    "note": "string",
    "day": {"type": "int", "logicalType": "date"},
    "at_ms": {"type": "long", "logicalType": "timestamp-millis"},
    "at_us": {"type": "long", "logicalType": "timestamp-micros"},
    "price": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3},
    "uid": {"type": "string", "logicalType": "uuid"},
    "colour": _COLOURS,
    "tags": {"type": "array", "items": "string"},
    "points": {"type": "array", "items": _POINT},
    "sizes": {"type": "map", "values": "long"},
    "home": {**_POINT, "name": "Home"},
}


def own_contracts(folder: Path) -> Contracts:
    """Write two event types into a folder and load them: all kinds required, and all nullable."""
    required = [{"name": name, "type": kind} for name, kind in _FIELDS.items()]
    nullable = [
        {"name": name, "type": ["null", kind], "default": None} for name, kind in _FIELDS.items()
    ]
    nullable.append({"name": "level", "type": "int", "default": 7, "minimum": -3, "maximum": 3})
    _write(folder, "measured", required)
    _write(folder, "guessed", nullable)
    return load_contracts(str(folder))


def _write(folder: Path, name: str, fields: list[dict]) -> None:
    record = {"type": "record", "name": name, "domain": "lab", "doc": "Of a test."}
    (folder / "lab").mkdir(exist_ok=True)
    (folder / "lab" / f"{name}.avsc").write_text(json.dumps({**record, "fields": fields}))
