"""Builders for the tests of contracts and decoding."""

import copy
import gzip
import json
import pathlib
from typing import Any

from schemas.contract import Contracts, load_contracts
from schemas.decoder import Decoder, Reading
from schemas.events import RawEvent
from schemas.refusal import Refusal

SECRET_VALUES = ("ana.plant@example.com", "planted-secret", "198.51.100.23")

_EVENT: dict[str, Any] = {
    "event_id": "e-1",
    "event_type": "page_view",
    "user_id": "u-1",
    "session_id": "s-1",
    "event_timestamp": "2026-01-31T12:00:00.123456Z",
    "source_system": "web",
    "event_details": {"page": "/courses", "platform": "web", "duration_ms": 5},
}


def any_event(**changed: Any) -> dict[str, Any]:
    return {**copy.deepcopy(_EVENT), **changed}


def any_view(**changed: Any) -> dict[str, Any]:
    return any_event(event_details={**_EVENT["event_details"], **changed})


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != name}


def wire(event: object) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode()


def zipped(event: object) -> RawEvent:
    return RawEvent(gzip.compress(wire(event), mtime=0), {"content-encoding": "gzip"})


def field(name: str, kind: object, **more: object) -> dict[str, object]:
    return {"name": name, "type": kind, **more}


def a_contract(*fields: object, **changed: object) -> dict[str, object]:
    head = {"type": "record", "name": "thing", "domain": "shop", "doc": "A thing happened."}
    return {**head, "fields": list(fields), **changed}


def write_contract(folder: pathlib.Path, spec: object, file: str = "shop/thing.avsc") -> str:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(spec if isinstance(spec, bytes) else json.dumps(spec).encode())
    return str(folder)


def envelope_with(position: int, **changed: object) -> dict[str, Any]:
    """The shipped envelope with one of its fields changed."""
    file = pathlib.Path(__file__).parents[2] / "schemas" / "contracts" / "envelope.avsc"
    envelope: dict[str, Any] = json.loads(file.read_text())
    envelope["fields"][position] |= changed
    return envelope


def every_type() -> dict[str, object]:
    """A contract with each supported type, nullable and nested."""
    part = {
        "type": "record",
        "name": "Part",
        "fields": [field("label", "string"), field("n", "int")],
    }
    more = {"type": "record", "name": "More", "fields": [field("deep", ["null", "Part"])]}
    logical = {
        "date": "int",
        "timestamp-millis": "long",
        "timestamp-micros": "long",
        "uuid": "string",
    }
    kinds: dict[str, object] = {
        kind: kind for kind in ("boolean", "int", "long", "float", "double", "bytes", "string")
    }
    kinds |= {
        name.replace("-", "_"): {"type": of, "logicalType": name} for name, of in logical.items()
    }
    kinds["decimal"] = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
    kinds["colour"] = {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}
    kinds["part"] = part
    kinds["more"] = more
    kinds["parts"] = {"type": "array", "items": "Part"}
    kinds["by_name"] = {"type": "map", "values": "Part"}
    kinds["words"] = {"type": "array", "items": ["null", "string"]}
    kinds["grid"] = {"type": "array", "items": {"type": "array", "items": "long"}}
    kinds["class"] = "string"
    fields = [field(name, ["null", kind], default=None) for name, kind in kinds.items()]
    return a_contract(*fields, field("from", "string", default="here"))


def thing(**details: Any) -> dict[str, Any]:
    return any_event(event_type="thing", event_details=details)


SHIPPED: Contracts = load_contracts()
_DECODER = Decoder(SHIPPED)


def read(event: object, decoder: Decoder = _DECODER, at: int | None = None) -> Reading | Refusal:
    raw = event if isinstance(event, RawEvent) else RawEvent(wire(event))
    return decoder.read(raw.payload, raw.attributes, at)


def accepted(event: object, decoder: Decoder = _DECODER) -> Reading:
    result = read(event, decoder)
    assert not isinstance(result, Refusal), result
    return result


def refused(event: object, decoder: Decoder = _DECODER, at: int | None = None) -> Refusal:
    result = read(event, decoder, at)
    assert isinstance(result, Refusal), result
    return result
