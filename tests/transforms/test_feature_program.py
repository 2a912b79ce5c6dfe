import json

import pytest

from schemas.aggregates import AGGREGATIONS
from schemas.cells import row_key
from schemas.contract import load_contracts
from schemas.coverage import Coverage
from schemas.decoder import Decoder
from schemas.feature_set import load_features, parse_features
from schemas.times import parse_rfc3339
from tests.schemas.any_event import any_event, any_view, every_type, thing, wire, write_contract
from transforms.feature_program import FeatureProgram

SHIPPED = load_contracts()
USER = row_key("user", "u-1")
FEATURES = """
entity: user
key: user_id
state:
  - {name: page, field: event_details.page}
  - {name: web_page, field: event_details.page, where: {event_details.platform: [web]}}
  - {name: campaign, field: event_details.campaign.source}
  - {name: kind, field: event_type}
  - {name: time, field: event_timestamp}
features:
  - {name: all, aggregate: count}
  - {name: timed, aggregate: count, field: event_details.duration_ms}
  - {name: logins, aggregate: count, where: {event_type: login, event_details.success: true}}
  - {name: short, aggregate: count, where: {event_details.duration_ms: [1, 2, 3]}}
"""


class Gathered:
    """What a program gathered, by the names of its feature file."""

    def __init__(self, text, *events, contracts=SHIPPED, late=False, span=None):
        self.features = parse_features(text, "mine.yaml", contracts)
        self.program = FeatureProgram(contracts, [self.features], span)
        decoder = Decoder(contracts)
        for event in events:
            time = parse_rfc3339(event["event_timestamp"])
            self.program.add(decoder.reread(wire(event), {}), time, late)
        self.rows = {part.row_key: part for part in self.program.take()}

    def state(self, key=USER):
        names = {field.slot: field.name for field in self.features.state}
        return {names[slot]: value for slot, (_, _, value) in self.rows[key].state.items()}

    def counts(self, key=USER):
        features = {feature.slot: feature for feature in self.features.features}
        return {
            features[slot].name: AGGREGATIONS[features[slot].aggregate].count(entry)
            for entries in self.rows[key].tiles.values()
            for slot, entry in entries.items()
        }


def test_an_event_changes_all_that_applies_to_it():
    gathered = Gathered(FEATURES, any_view(duration_ms=2))
    assert gathered.state() == {
        "page": "/courses",
        "web_page": "/courses",
        "kind": "page_view",
        "time": parse_rfc3339("2026-01-31T12:00:00.123456Z"),
    }
    assert gathered.counts() == {"all": 1, "timed": 1, "short": 1}


def test_a_null_or_absent_field_contributes_nothing():
    gathered = Gathered(FEATURES, any_view(duration_ms=None, campaign=None))
    assert gathered.counts() == {"all": 1}
    assert "campaign" not in gathered.state()


def test_a_field_of_a_record_that_may_be_null_is_read():
    gathered = Gathered(FEATURES, any_view(campaign={"source": "ads"}))
    assert gathered.state()["campaign"] == "ads"


def test_a_condition_that_does_not_hold_keeps_an_event_out():
    gathered = Gathered(FEATURES, any_view(platform="ios", duration_ms=4))
    assert "web_page" not in gathered.state()
    assert "short" not in gathered.counts()


def test_a_tile_without_contributions_is_not_there():
    login = {"method": "google", "success": False, "platform": "web"}
    text = "entity: user\nkey: user_id\nfeatures:\n" + FEATURES.splitlines()[-2]
    assert Gathered(text, any_event(event_type="login", event_details=login)).rows == {}


def test_an_event_without_the_entitys_key_changes_nothing_of_it():
    text = FEATURES.replace("entity: user\nkey: user_id", "entity: session\nkey: session_id")
    gathered = Gathered(text, any_event(session_id=None), any_event(session_id="s-9"))
    assert list(gathered.rows) == [row_key("session", "s-9")]


def test_a_key_may_be_any_text_or_integer_of_the_details(tmp_path):
    contracts = load_contracts(write_contract(tmp_path, every_type()))
    for path, value, name in (
        ("event_details.long", -7, "-7"),
        ("event_details.colour", "red", "red"),
        ("event_details.uuid", "12345678-1234-5678-1234-567812345678", None),
        ("event_details.more.deep.label", None, "x"),
    ):
        field = path.split(".")[1]
        details = (
            {field: value} if value is not None else {"more": {"deep": {"label": "x", "n": 1}}}
        )
        text = f"entity: part\nkey: {path}\nfeatures: [{{name: n, aggregate: count}}]"
        gathered = Gathered(text, thing(**details), thing(), contracts=contracts)
        assert list(gathered.rows) == [row_key("part", name or str(value))]


def test_a_late_event_changes_last_values_only():
    gathered = Gathered(FEATURES, any_view(), late=True)
    assert gathered.state()["page"] == "/courses"
    assert gathered.rows[USER].tiles == {}


def test_the_last_value_is_that_of_the_latest_millisecond_and_then_of_the_greater_id():
    def at(identity, time, page):
        details = {"page": page, "platform": "web"}
        stamp = f"2026-01-31T12:00:00.{time}Z"
        return any_event(event_id=identity, event_timestamp=stamp, event_details=details)

    events = [at("b", "000999", "/b"), at("a", "000000", "/a"), at("z", "000", "/z")]
    for order in (events, events[::-1]):
        assert Gathered(FEATURES, *order).state()["page"] == "/z"
    later = at("0", "001", "/later")
    assert Gathered(FEATURES, later, *events).state()["page"] == "/later"


@pytest.mark.parametrize(
    ("start", "end", "page"),
    [(0, 5_000, "/4"), (0, 4_999, "/3"), (3_000, 4_000, "/3"), (3_001, 4_000, None)],
)
def test_last_values_are_those_of_whole_milliseconds_of_the_span_and_tiles_of_all(start, end, page):
    noon = parse_rfc3339("2026-01-31T12:00:00Z")
    events = [
        any_event(
            event_timestamp=f"2026-01-31T12:00:00.00{ms}Z",
            event_details={"page": f"/{ms}", "platform": "web"},
        )
        for ms in (3, 4, 5)
    ]
    gathered = Gathered(FEATURES, *events, span=Coverage(noon + start, noon + end))
    assert gathered.state().get("page") == page
    assert gathered.counts()["all"] == 3


def test_what_was_taken_is_not_taken_again():
    gathered = Gathered(FEATURES, any_view())
    assert list(gathered.program.take()) == []


def test_values_of_every_kind_are_gathered_in_their_plain_form(tmp_path):
    contracts = load_contracts(write_contract(tmp_path, every_type()))
    values = {
        "boolean": True,
        "int": 3,
        "double": -0.0,
        "bytes": "AP8=",
        "date": "1970-01-03",
        "timestamp_millis": "1970-01-01T00:00:01.005Z",
        "timestamp_micros": "1970-01-01T00:00:01.000005+00:00",
        "decimal": "1.5",
        "uuid": "12345678-1234-5678-1234-567812345678",
    }
    lines = "".join(f"  - {{name: {k}, field: event_details.{k}}}\n" for k in values)
    gathered = Gathered(
        f"entity: user\nkey: user_id\nstate:\n{lines}", thing(**values), contracts=contracts
    )
    assert gathered.state() == {
        "boolean": True,
        "int": 3,
        "double": 0.0,
        "bytes": b"\x00\xff",
        "date": 2,
        "timestamp_millis": 1_005,
        "timestamp_micros": 1_000_005,
        "decimal": 150,
        "uuid": "12345678-1234-5678-1234-567812345678",
    }


@pytest.mark.parametrize(
    ("details", "names"),
    [
        ({"currency": "EUR"}, {"spent_eur_minor"}),
        ({"currency": "JPY"}, {"spent_jpy_minor"}),
    ],
)
def test_the_shipped_user_set_sums_money_by_currency(details, names):
    base = {"order_id": "o", "amount_minor": 250, "payment_method": "card", "items": []}
    event = any_event(event_type="purchase", event_details={**base, **details})
    sets = load_features(None, SHIPPED)
    [user] = [each for each in sets if each.entity == "user"]
    program = FeatureProgram(SHIPPED, [user])
    program.add(Decoder(SHIPPED).reread(json.dumps(event).encode(), {}), 0, False)
    [part] = program.take()
    slots = {feature.slot: feature for feature in user.features}
    found = {
        slots[slot].name: entry[1]
        for entries in part.tiles.values()
        for slot, entry in entries.items()
        if slots[slot].aggregate == "sum"
    }
    assert found == dict.fromkeys(names, 250)
