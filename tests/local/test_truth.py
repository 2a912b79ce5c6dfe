"""The truth of a stream, and the comparison with it, worked out by hand on small cases."""

import random
from collections import Counter

import pytest
from datasketches import update_theta_sketch
from hypothesis import given, settings
from hypothesis import strategies as st

from local.check_rows import differences
from local.feature_rules import read_rules
from local.generate import Message, generate
from local.plain_values import cell_bytes
from local.plan import HOUR, Faults, Plan
from local.truth import Truth
from schemas.contract import load_contracts
from tests.local.own_contracts import own_contracts

SHIPPED = load_contracts()
RULES = read_rules(None, SHIPPED)
NOON = 1_767_614_400_000_000
USER = "bb#user#u1"
FEATURES = """
entity: user
key: user_id
retention: 30d
tile: 1h
state:
  - {name: plan, field: event_details.plan}
  - {name: seen, field: event_timestamp}
features:
  - {name: events, aggregate: count}
  - name: spent
    aggregate: sum
    field: event_details.amount_minor
    where: {event_type: [purchase]}
  - {name: least, aggregate: min, field: event_details.amount_minor, tile: 5m}
  - {name: most, aggregate: max, field: event_details.amount_minor}
  - {name: latest, aggregate: last, field: event_details.currency}
  - {name: orders, aggregate: approx_distinct, field: event_details.order_id}
"""


def purchase(number, millis=0, amount=10, label="event", **changes):
    details = {"order_id": f"o{number}", "amount_minor": amount, "currency": "EUR", "plan": "pro"}
    details.update(changes.pop("details", {}))
    event = {
        "event_id": f"e{number}",
        "event_type": "purchase",
        "user_id": "u1",
        "session_id": None,
        "event_details": details,
        **changes,
    }
    time = NOON + 1_000 * millis
    return Message(b"", {}, time, label, event, time, rival="rival" in label)


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "user.yaml"
    path.write_text(FEATURES)
    return read_rules(str(path), SHIPPED)


def told(rules, *messages, batch=True):
    truth = Truth(rules, batch=batch)
    for message in messages:
        truth.add(message)
    return truth.document()


def cells_of(document, choose=0):
    """Write the cells that a right pipeline would: one for each value of the document."""
    for key, allowed in document["rows"].items():
        row = allowed[min(choose, len(allowed) - 1)]
        for name, held in row["state"].items():
            yield key, "s", name, held["ms"] * 1_000, cell_bytes(held["value"])
        for name, tiles in row["tiles"].items():
            for start, held in tiles.items():
                version = (int(start) + held["n"]) * 1_000
                yield key, "t", name, version, value_bytes(held)


def value_bytes(held):
    if "distinct" not in held:
        return cell_bytes(held["value"])
    sketch = update_theta_sketch(11)
    for number in range(held["distinct"]):
        sketch.update(number)
    return sketch.compact().serialize()


def test_each_aggregate_of_a_tile_is_worked_out(rules):
    later = HOUR // 1_000
    document = told(
        rules,
        purchase(1, amount=10, details={"currency": "EUR"}),
        purchase(2, millis=7, amount=30, details={"currency": "USD", "order_id": "o1"}),
        purchase(3, millis=later, amount=20, details={"plan": None}),
    )
    noon, after = str(NOON // 1_000), str(NOON // 1_000 + later)
    row = document["rows"][USER][0]
    assert row["state"] == {
        "plan": {"ms": NOON // 1_000 + 7, "value": "pro"},
        "seen": {"ms": NOON // 1_000 + later, "value": NOON + HOUR},
    }
    assert {name: tiles.get(noon) for name, tiles in row["tiles"].items()} == {
        "events": {"n": 2, "value": 2},
        "spent": {"n": 2, "value": 40},
        "least": {"n": 2, "value": 10},
        "most": {"n": 2, "value": 30},
        "latest": {"n": 2, "value": "USD"},
        "orders": {"n": 2, "distinct": 1},
    }
    assert row["tiles"]["spent"][after] == {"n": 1, "value": 20}
    assert document["tile_ms"]["user"]["least"] == 300_000


def test_in_one_millisecond_the_greater_id_wins(rules):
    one, other = purchase(1, details={"plan": "team"}), purchase(2, details={"plan": "free"})
    for order in ((one, other), (other, one)):
        row = told(rules, *order)["rows"][USER][0]
        assert row["state"]["plan"]["value"] == "free"


def test_a_late_event_writes_state_but_no_tile_and_in_batch_both(rules):
    late = purchase(1, label="late")
    live = told(rules, late, batch=False)
    assert live["rows"][USER] == [
        {"state": {"plan": {"ms": NOON // 1_000, "value": "pro"},
                   "seen": {"ms": NOON // 1_000, "value": NOON}}, "tiles": {}}
    ]  # fmt: skip
    assert (live["counts"]["late"], live["counts"]["accepted"]) == (1, 0)
    batch = told(rules, late)
    assert batch["rows"][USER][0]["tiles"]["events"] != {}
    assert (batch["counts"]["late"], batch["counts"]["accepted"]) == (0, 1)


def test_null_keys_null_fields_duplicates_and_refused_payloads_contribute_nothing(rules):
    nothing = [
        purchase(1, user_id=None),
        purchase(2, label="duplicate"),
        purchase(3, label="rejected.not_json"),
    ]
    document = told(rules, *nothing)
    assert document["rows"] == {}
    assert document["counts"] == {
        "read": 3, "accepted": 1, "duplicate": 1, "conflict": 0, "late": 0,
        "rejected": {"not_json": 1},
    }  # fmt: skip
    without = told(rules, purchase(1, details={"order_id": None, "plan": None}))["rows"][USER][0]
    assert "orders" not in without["tiles"]
    assert "plan" not in without["state"]


def test_an_absent_field_takes_its_default(tmp_path):
    contracts = own_contracts(tmp_path)
    features = tmp_path / "lab.yaml"
    features.write_text(
        "entity: user\nkey: user_id\nfeatures:\n"
        "  - {name: level, aggregate: sum, field: event_details.level}\n"
    )
    event = {"event_id": "e", "event_type": "guessed", "user_id": "u1", "event_details": {}}
    document = told(
        read_rules(str(features), contracts), Message(b"", {}, NOON, "event", event, NOON)
    )
    (tile,) = document["rows"][USER][0]["tiles"]["level"].values()
    assert tile == {"n": 1, "value": 7}


def test_every_kind_has_the_plain_value_that_the_layout_says(tmp_path):
    contracts = own_contracts(tmp_path)
    details = {
        "yes": True, "small": -1, "large": 2, "ratio": 0.5, "share": 1, "note": "é",
        "day": "1970-01-03",
        "at_ms": "1970-01-01T00:00:01.500Z", "at_us": "1970-01-01T01:00:00.000007+01:00",
        "price": "1.5", "uid": "0000000A-0000-0000-0000-00000000000B", "colour": "RED",
    }  # fmt: skip
    event = {"event_id": "e", "event_type": "measured", "user_id": "u1", "event_details": details}
    features = tmp_path / "lab.yaml"
    state = "".join(f"  - {{name: '{name}', field: event_details.{name}}}\n" for name in details)
    features.write_text(f"entity: user\nkey: user_id\nstate:\n{state}")
    document = told(
        read_rules(str(features), contracts), Message(b"", {}, NOON, "event", event, NOON)
    )
    state = {name: held["value"] for name, held in document["rows"][USER][0]["state"].items()}
    assert state == {
        "yes": True, "small": -1, "large": 2, "ratio": 0.5, "share": 1.0, "note": "é", "day": 2,
        "at_ms": 1_500, "at_us": 7, "price": 1_500,
        "uid": "0000000a-0000-0000-0000-00000000000b", "colour": "RED",
    }  # fmt: skip
    assert isinstance(state["share"], float)


def test_a_personal_value_is_known_by_its_pseudonym(tmp_path):
    features = tmp_path / "user.yaml"
    features.write_text(
        "entity: user\nkey: user_id\nstate:\n  - {name: mail, field: event_details.billing_email}\n"
    )
    rules = read_rules(str(features), SHIPPED, lambda value: f"k1.{len(value)}")
    row = told(rules, purchase(1, details={"billing_email": "a@example.com"}))["rows"][USER][0]
    assert row["state"]["mail"]["value"] == "k1.13"


def test_values_at_a_time_fold_the_tiles_of_the_span(rules):
    truth = Truth(rules, batch=True)
    for hours in range(5):
        truth.add(purchase(hours, millis=hours * HOUR // 1_000, amount=hours))
    at = NOON + 3 * HOUR + HOUR // 2
    values = truth.values(USER, {"1h": HOUR, "2h": 2 * HOUR}, at)
    assert values["spent"] == {"1h": 3, "2h": 5}
    assert values["orders"] == {"1h": 1, "2h": 2}
    assert values["plan"] == "pro"


@given(st.integers(0, 2**32), st.integers(0, 10_000))
@settings(max_examples=12)
def test_the_truth_does_not_depend_on_the_order_of_messages(seed, shuffle):
    found = list(generate(Plan(150, seed=seed, faults=Faults(conflict=0.0)), SHIPPED))
    mixed = random.Random(shuffle).sample(found, len(found))
    assert told(RULES, *found, batch=False) == told(RULES, *mixed, batch=False)


def test_conservation_holds_for_the_truth_itself():
    document = told(RULES, *generate(Plan(3_000, lines=False), SHIPPED), batch=False)
    counts = document["counts"]
    parts = [counts[name] for name in ("accepted", "duplicate", "conflict", "late")]
    assert counts["read"] == sum(parts) + sum(counts["rejected"].values()) == 3_000


@pytest.mark.parametrize("batch", [True, False])
def test_the_cells_of_a_right_table_do_not_differ_in_any_order_and_with_old_versions(batch):
    plan = Plan(2_000, seed=3, faults=Faults(conflict=0.02))
    document = told(RULES, *generate(plan, SHIPPED), batch=batch)
    cells = list(cells_of(document))
    old = [(key, "t", name, version - 1_000, b"old") for key, family, name, version, _ in cells
           if family == "t" and version // 1_000 % 3_600_000 > 1]  # fmt: skip
    table = cells + old
    random.Random(1).shuffle(table)
    assert list(differences(document, table)) == []
    assert Counter(family for _, family, *_ in cells)["t"] > 1_000


FEW = told(RULES, *generate(Plan(60, faults=Faults.none()), SHIPPED))


@given(st.data())
@settings(max_examples=60)
def test_any_single_wrong_cell_is_found(data):
    document, cells = FEW, list(cells_of(FEW))
    at = data.draw(st.integers(0, len(cells) - 1))
    key, family, name, version, value = cells[at]
    wrong = {
        "missing": [],
        "version": [(key, family, name, version + 1_000, value)],
        "value": [(key, family, name, version, value[:-1] + bytes([value[-1] ^ 1]))],
        "extra": [cells[at], (key, family, f"{name}_2", version, value)],
        "row": [cells[at], ("00#user#nobody", family, name, version, value)],
    }
    kind = data.draw(st.sampled_from(sorted(wrong)))
    if kind == "value" and name in ("sessions", "devices", "pages"):
        wrong["value"] = [(key, family, name, version, value_bytes({"distinct": 50}))]
    (line,) = differences(document, cells[:at] + wrong[kind] + cells[at + 1 :])
    assert line.startswith("00#user#nobody" if kind == "row" else key)


def test_of_rivals_either_may_be_kept_but_the_same_in_every_row(rules):
    one = purchase(1, user_id="a")._replace(rival=True)
    other = purchase(1, user_id="b", label="conflict")._replace(rival=True)
    document = told(rules, one, other)
    assert document["counts"]["conflict"] == 1
    first, second = list(cells_of(document)), list(cells_of(document, choose=1))
    assert first
    assert list(differences(document, first)) == []
    assert list(differences(document, second)) == []
    both = list(differences(document, first + second))
    assert both == ["id conflict e1: some rows hold one of its events, some the other"]
    assert list(differences(document, [])) != []


def test_no_difference_tells_a_value(rules):
    document = told(rules, purchase(1, details={"plan": "team"}))
    lines = list(differences(document, [(USER, "s", "plan", 1_000, b"planted-value")]))
    assert lines
    assert "planted-value" not in "".join(lines)
    assert "team" not in "".join(lines)
