"""The hot path on generated files holds what the truth says: two implementations, one answer."""

import json
from pathlib import Path

import pytest

from local.check_rows import differences
from local.feature_rules import read_rules
from local.generate import generate, write_lines
from local.plain_values import pseudonym_of
from local.plan import Faults, Plan
from local.truth import Truth
from pipelines import hot_path
from schemas.contract import load_contracts
from tests.local.own_contracts import own_contracts
from transforms.write_cell_lines import read_cell_lines

pytestmark = pytest.mark.engine

KEY = b"k7:sixteen bytes or more"
FAULTS = Faults(0.05, 0.1, 0.2, 0.01, 0.01, 0.05, 0, 0.1)
KINDS = [
    "yes",
    "small",
    "large",
    "ratio",
    "share",
    "note",
    "day",
    "at_ms",
    "at_us",
    "price",
    "uid",
    "colour",
    "blob",
]
LAB = """
entity: person
key: user_id
tile: 1h
state:
  - {name: home, field: event_details.home.label}
  - {name: mine, field: user_id}
  - {name: red_note, field: event_details.note, where: {event_details.colour: RED}}
features:
  - {name: everything, aggregate: count, tile: 5m}
  - {name: noted, aggregate: count, field: event_details.note, tile: 1d}
  - {name: level, aggregate: sum, field: event_details.level}
  - {name: paid, aggregate: sum, field: event_details.price, where: {event_details.yes: true}}
  - name: large_of_some
    aggregate: sum
    field: event_details.large
    where: {event_type: [measured], source_system: [web, ios]}
"""


def lab_features(folder: Path) -> Path:
    """Write features of every aggregate over every kind of field, for two entities."""
    state = "".join(f"  - {{name: 's_{k}', field: event_details.{k}}}\n" for k in KINDS)
    aggregates = [(a, k) for k in KINDS for a in ("min", "max", "last", "approx_distinct")]
    text = LAB.replace("features:\n", f"{state}features:\n") + "".join(
        f"  - {{name: '{a}_{k}', aggregate: {a}, field: event_details.{k}}}\n"
        for a, k in aggregates
    )
    (folder / "person.yaml").write_text(text)
    visit = "entity: visit\nkey: session_id\nfeatures:\n  - {name: n, aggregate: count}\n"
    (folder / "visit.yaml").write_text(visit)
    return folder


def personal_contracts(folder: Path) -> Path:
    """Add an envelope that declares `user_id` personal to the tests' own contracts."""
    own_contracts(folder)
    shipped = Path(hot_path.__file__).parents[1] / "schemas" / "contracts" / "envelope.avsc"
    envelope = json.loads(shipped.read_text())
    for field in envelope["fields"]:
        if field["name"] == "user_id":
            field["pii"] = "pseudonymise"
    (folder / "envelope.avsc").write_text(json.dumps(envelope))
    return folder


def cells_of(folder: Path):
    for cell in read_cell_lines(str(folder)):
        yield cell.key.decode(), cell.family, cell.qualifier, cell.timestamp_micros, cell.value


@pytest.mark.parametrize("own", [False, True], ids=["shipped", "every kind, personal ids"])
def test_every_cell_and_every_counter_is_what_the_truth_says(tmp_path, own):
    declared = {}
    if own:
        (tmp_path / "contracts").mkdir()
        (tmp_path / "features").mkdir()
        declared = {
            "contracts": str(personal_contracts(tmp_path / "contracts")),
            "features": str(lab_features(tmp_path / "features")),
        }
    contracts = load_contracts(declared.get("contracts"))
    rules = read_rules(declared.get("features"), contracts, pseudonym_of(KEY))
    truth = Truth(rules, batch=True)
    messages = truth.watch(generate(Plan(1_500, seed=4, faults=FAULTS), contracts))
    write_lines(messages, tmp_path / "events.ndjson")
    (tmp_path / "key").write_bytes(KEY)
    options = {
        **declared,
        "input_files": tmp_path / "events.ndjson",
        "cells_output": tmp_path / "cells",
        "quarantine_output": tmp_path / "quarantine",
        "counters_output": tmp_path / "counters.json",
        "pseudonym_key": f"file:{tmp_path / 'key'}",
        "shards": 3,
    }
    hot_path.run([f"--{name}={value}" for name, value in options.items()])
    document = truth.document()
    assert list(differences(document, cells_of(tmp_path / "cells"))) == []
    counters = json.loads((tmp_path / "counters.json").read_text())
    assert {name: counters[name] for name in document["counts"]} == document["counts"]
    assert len(document["rows"]) > 100
