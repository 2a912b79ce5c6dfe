"""The fuzz target of contracts: whatever a file says, it is refused in a line or can be used."""

import functools
import json
import pickle
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from chaos.fuzz_mutations import mutate_bytes, mutate_json, mutate_tree, one_of, spelled
from chaos.fuzz_target import Target, promise, promise_one_line
from schemas.bigquery_schema import bigquery_schema
from schemas.contract import ContractError, load_contracts
from schemas.contract_set import Contracts
from schemas.decoder import Decoder
from schemas.dictionary import dictionary_page
from schemas.refusal import Refusal

__all__ = ["CONTRACTS"]

_SHIPPED = Path(__file__).parents[1] / "schemas" / "contracts"
_NAME = "probe"
_TYPES: tuple[Any, ...] = (
    "null", "boolean", "int", "long", "float", "double", "bytes", "string", "fixed", "Answer",
    {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 38},
    {"type": "bytes", "logicalType": "decimal", "precision": 4},
    {"type": "string", "logicalType": "uuid"},
    {"type": "enum", "name": "Colour", "symbols": ["red", "green"]},
    {"type": "array", "items": "string"},
    {"type": "map", "values": ["null", "long"]},
    {"type": "record", "name": "Answer", "fields": [{"name": "a", "type": "long"}]},
    ["null", "string"], ["null", "Answer"], ["string", "null"], ["string", "long"], [],
    "pseudonymise", "drop", 0, 1, -1, 10**20, 1.5, None, True, "", "a", "A", "__a", "doc",
    [{"name": "b", "type": "string", "pii": "pseudonymise"}], {"name": "c", "type": "bytes"},
)  # fmt: skip


def _seeds() -> Iterator[bytes]:
    """Yield each shipped contract under one name, and one with all kinds of fields."""
    for path in sorted(_SHIPPED.rglob("*/*.avsc")):
        spec = json.loads(path.read_text())
        yield json.dumps({**spec, "name": _NAME, "domain": "lab"}).encode()
    fields = [
        {"name": f"f{number}", "type": kind, "doc": "A field."}
        for number, kind in enumerate(_TYPES)
        if isinstance(kind, dict) and "type" in kind and kind.get("name") != "c"
    ]
    whole = {"type": "record", "name": _NAME, "domain": "lab", "doc": "All.", "fields": fields}
    yield json.dumps(whole).encode()


def _mutate(data: bytes, random: Random) -> bytes:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(data, random)
    # What the head says is refused at once, so most changes are below it.
    below = tree.get("fields") if isinstance(tree, dict) else None
    if isinstance(below, list) and random.randrange(8):
        tree["fields"] = mutate_tree(below, random, _TYPES)
    else:
        tree = mutate_tree(tree, random, _TYPES)
    return spelled(tree, random)


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-contracts-"))
    weakref.finalize(_folder, shutil.rmtree, folder, ignore_errors=True)
    (folder / "lab").mkdir()
    return folder


def _check(data: bytes) -> None:
    (_folder() / "lab" / f"{_NAME}.avsc").write_bytes(data)
    try:
        contracts = load_contracts(str(_folder()))
    except ContractError as error:
        promise_one_line(error)
        return
    _check_usable(contracts)


def _check_usable(contracts: Contracts) -> None:
    promise(load_contracts(str(_folder())) == contracts, "a file always says the same")
    promise(pickle.loads(pickle.dumps(contracts)) == contracts, "contracts travel")  # noqa: S301
    written = msgspec.json.encode(contracts)
    promise(msgspec.json.encode(msgspec.json.decode(written, type=Contracts)) == written, "as JSON")
    bigquery_schema(contracts, _NAME)
    promise(f"### {_NAME}" in dictionary_page(contracts), "the dictionary tells of it")
    decoder = Decoder(contracts)
    read = decoder.read(b'{"event_type": "probe"}', None, 0)
    promise(isinstance(read, Refusal), "an event without its fields is refused")
    envelope = {
        "event_id": "e", "event_type": _NAME, "user_id": "u", "session_id": "s",
        "event_timestamp": "2026-01-31T12:00:00Z", "event_details": {},
    }  # fmt: skip
    fields = contracts.types[_NAME].fields
    least = decoder.read(json.dumps(envelope).encode(), None, None)
    needs = any(field.required for field in fields.values())
    promise(isinstance(least, Refusal) == needs, "an event needs the required fields, and no other")


CONTRACTS = Target(
    "contracts",
    "a contract is refused in one line, or a decoder, a table and a page are made of it",
    _check,
    _seeds,
    one_of((6, _mutate), (1, mutate_json), (1, mutate_bytes)),
    weight=5,
)
