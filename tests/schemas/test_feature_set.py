import json
import pickle

import pytest

from schemas.contract import load_contracts
from schemas.feature_set import FeatureError, load_features, parse_features
from tests.feature_builders import CONTRACTS
from tests.schemas.any_event import a_contract, every_type, field, write_contract

HEAD = "entity: user\nkey: user_id\n"
COUNTING = HEAD + "features: [{name: events, aggregate: count}]"


def refusal(text, contracts=CONTRACTS):
    with pytest.raises(FeatureError) as error:
        parse_features(text, "mine.yaml", contracts)
    message = str(error.value)
    assert message.startswith("mine.yaml: ")
    assert "\n" not in message
    return message


def feature(**entry):
    return HEAD + f"features: [{json.dumps({'name': 'mine', **entry})}]"


def state(**entry):
    return HEAD + f"state: [{json.dumps({'name': 'mine', **entry})}]"


def one(text, contracts=CONTRACTS):
    return parse_features(text, "mine.yaml", contracts).features[0]


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """A contract with every supported type."""
    return load_contracts(write_contract(tmp_path_factory.mktemp("contracts"), every_type()))


def test_the_shipped_sets_keep_what_the_docs_promise():
    sets = {each.entity: each for each in load_features(None, CONTRACTS)}
    assert set(sets) == {"user", "session"}
    assert sets["user"].key == "user_id"
    assert sets["session"].key == "session_id"
    assert {f.name for f in sets["user"].state} >= {
        "last_event",
        "last_activity",
        "country",
        "plan",
    }
    names = {f.name for f in sets["user"].features}
    assert names >= {"events", "sessions", "devices", "lessons_completed", "spent_eur_minor"}


def test_every_currency_of_a_purchase_has_its_sum():
    [user] = [each for each in load_features(None, CONTRACTS) if each.entity == "user"]
    symbols = CONTRACTS.field("purchase", "event_details.currency").symbols
    names = {f.name for f in user.features}
    assert {f"spent_{symbol.lower()}_minor" for symbol in symbols} <= names


def test_feature_sets_can_be_pickled_and_are_equal_after():
    sets = load_features(None, CONTRACTS)
    assert pickle.loads(pickle.dumps(sets)) == sets


def test_defaults_are_an_hour_and_thirty_days():
    found = parse_features(feature(aggregate="count"), "mine.yaml", CONTRACTS)
    assert found.retention == 30 * 86_400_000_000
    assert found.features[0].tile == 3_600_000_000


def test_a_declaration_applies_to_every_event_type_that_has_its_fields():
    assert set(one(feature(aggregate="count")).event_types) == set(CONTRACTS.types)
    found = one(feature(aggregate="sum", field="event_details.amount_minor"))
    assert found.event_types == ("purchase", "refund", "subscription_changed")
    found = one(
        feature(aggregate="count", where={"event_details.success": True, "event_type": ["login"]})
    )
    assert found.event_types == ("login",)


def test_a_definition_has_the_same_slot_for_ever_and_another_when_it_changes():
    assert one(feature(aggregate="count")).slot == 2_292_061_443
    changed = [
        feature(aggregate="count"),
        feature(aggregate="count", tile="5m"),
        feature(aggregate="count", field="session_id"),
        feature(aggregate="approx_distinct", field="session_id"),
        feature(aggregate="count", where={"event_type": "login"}),
        feature(aggregate="count").replace("mine", "other"),
        feature(aggregate="count").replace("entity: user", "entity: member"),
    ]
    assert len({one(text).slot for text in changed}) == len(changed)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "object"),
        ("[", "not YAML"),
        (HEAD + "key: session_id", "'key' is given twice"),
        (HEAD + "colour: red", "unknown field `colour`; the keys here are entity, key"),
        ("entity: user", "missing required field `key`"),
        ("entity: us#er\nkey: user_id", "name 'us#er'"),
        ("entity: user\nkey: event_details.nope", "key 'event_details.nope' is in no contract"),
        ("entity: user\nkey: event_timestamp", "key 'event_timestamp' is a timestamp-micros"),
        ("entity: user\nkey: event_details.ip_address", "personal and dropped"),
        (HEAD + "tile: 7m", "tile 7m does not divide a day"),
        (HEAD + "tile: 1m", "use 5m or more"),
        (HEAD + "tile: soon", "no length of time"),
        (HEAD + "retention: 1h\ntile: 2h", "tile 2h is longer than the retention"),
        (feature(aggregate="count", tile="31d"), "feature 'mine': tile 31d is longer"),
        (feature(aggregate="count", tile=5), "feature 'mine': Expected `str"),
        (feature(aggregate="mean", field="event_details.duration_ms"), "use one of count, sum"),
        (feature(aggregate="count", note="x"), "feature 'mine': Object contains unknown field"),
        (feature(aggregate="sum"), "sum needs a field"),
        (feature(aggregate="sum", field="event_details.country"), "which is a string; sum only"),
        (feature(aggregate="sum", field="event_details.progress"), "which is a double; sum only"),
        (feature(aggregate="sum", field="event_details.success"), "which is a boolean"),
        (feature(aggregate="sum", field="event_timestamp"), "which is a timestamp-micros"),
        (feature(aggregate="max", field="event_details.contry"), "mean 'event_details.country'"),
        (feature(aggregate="max", field="contry"), "field 'contry' is in no contract"),
        (feature(aggregate="max", field="event_details.items"), "of kind array"),
        (feature(aggregate="max", field="event_details"), "of kind record"),
        (feature(aggregate="max", field="event_details.ip_address"), "personal and dropped"),
        (feature(aggregate="count").replace("mine", "my count"), "name 'my count'"),
        (feature(aggregate="count", where={"event_type": "sign_up"}), "'sign_up', which has no"),
        (
            feature(aggregate="max", field="event_details.page", where={"event_type": "login"}),
            "in no contract that it could apply to (login)",
        ),
        (feature(aggregate="count", where={"event_details.nope": 1}), "where 'event_details.nope'"),
        (feature(aggregate="count", where={"event_details.currency": "XXX"}), "one of BRL, EUR"),
        (feature(aggregate="count", where={"event_details.currency": []}), "lists no value"),
        (feature(aggregate="count", where={"event_details.success": "yes"}), "it is boolean"),
        (feature(aggregate="count", where={"event_details.amount_minor": 1.5}), "it is long"),
        (feature(aggregate="count", where={"event_details.amount_minor": 2**63}), "it is long"),
        (feature(aggregate="count", where={"event_details.amount_minor": True}), "it is long"),
        (feature(aggregate="count", where={"event_details.score": "9.999"}), "it is decimal"),
        (feature(aggregate="count", where={"event_details.email": "a"}), "is personal"),
        (feature(aggregate="count", where={"event_timestamp": "2026-01-01"}), "can never be"),
        (state(field="event_details.nope"), "state 'mine': field 'event_details.nope'"),
        (state(), "missing required field `field`"),
        (HEAD + "features: [{name: a, aggregate: count}, {name: a, aggregate: count}]", "'a' is g"),
        (
            HEAD + "state: [{name: a, field: user_id}]\nfeatures: [{name: a, aggregate: count}]",
            "name 'a' is given twice",
        ),
        (HEAD + "features: [5]", "feature number 1"),
        (HEAD, "neither state nor features are there; declare one, or remove the file"),
        (HEAD + "state: []\nfeatures: []", "neither state nor features are there"),
    ],
)
def test_a_wrong_file_is_refused_with_file_feature_and_remedy(text, told):
    assert told in refusal(text)


def test_a_country_that_yaml_reads_as_no_is_refused_with_the_remedy():
    text = HEAD + "features: [{name: a, aggregate: count, where: {event_details.country: NO}}]"
    assert "quote it" in refusal(text)


def test_a_field_that_is_personal_by_the_record_around_it_is_refused(tmp_path):
    inner = {"type": "record", "name": "In", "fields": [field("city", "string")]}
    spec = a_contract(field("home", ["null", inner], pii="drop", default=None))
    contracts = load_contracts(write_contract(tmp_path, spec))
    assert "personal and dropped" in refusal(state(field="event_details.home.city"), contracts)


def test_a_field_with_different_types_needs_a_restriction(tmp_path):
    write_contract(tmp_path, a_contract(field("x", "long")))
    other = a_contract(field("x", "string"), name="other")
    contracts = load_contracts(write_contract(tmp_path, other, "shop/other.avsc"))
    assert "several types" in refusal(state(field="event_details.x"), contracts)
    restricted = state(field="event_details.x", where={"event_type": "other"})
    assert parse_features(restricted, "mine.yaml", contracts).state[0].value.kind == "string"


def test_a_decimal_of_more_than_eighteen_digits_is_refused(tmp_path):
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": 2}
    contracts = load_contracts(write_contract(tmp_path, a_contract(field("x", kind))))
    assert "18 digits" in refusal(feature(aggregate="sum", field="event_details.x"), contracts)


@pytest.mark.parametrize(
    ("path", "given", "kept"),
    [
        ("decimal", 1.5, 150),
        ("decimal", "1.50", 150),
        ("uuid", "12345678-1234-5678-1234-56781234ABCD", "12345678-1234-5678-1234-56781234abcd"),
        ("double", 2, 2.0),
        ("long", 2, 2),
        ("boolean", False, False),
        ("colour", "red", "red"),
        ("string", "no", "no"),
    ],
)
def test_conditions_are_kept_in_plain_values(things, path, given, kept):
    found = one(feature(aggregate="count", where={f"event_details.{path}": [given]}), things)
    assert found.where[0].values == (kept,)


def test_every_single_value_can_be_kept_and_compared_but_only_exact_numbers_summed(things):
    for kind in ("boolean", "int", "long", "float", "double", "bytes", "string", "date", "uuid"):
        assert one(feature(aggregate="max", field=f"event_details.{kind}"), things)
    assert one(feature(aggregate="sum", field="event_details.decimal"), things).value.scale == 2
    assert one(feature(aggregate="sum", field="event_details.int"), things).value.kind == "long"
    assert one(feature(aggregate="last", field="event_details.more.deep.label"), things)


def test_files_of_a_folder_are_read_in_order_of_their_names(tmp_path):
    (tmp_path / "b.yaml").write_text(COUNTING)
    (tmp_path / "a.yml").write_text(COUNTING.replace("entity: user", "entity: visit"))
    (tmp_path / "notes.txt").write_text("not a feature file")
    assert [each.entity for each in load_features(str(tmp_path), CONTRACTS)] == ["visit", "user"]
    assert [s.entity for s in load_features(str(tmp_path / "b.yaml"), CONTRACTS)] == ["user"]


def test_one_entity_in_two_files_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text(COUNTING)
    (tmp_path / "b.yaml").write_text(COUNTING)
    with pytest.raises(FeatureError, match=r"b\.yaml: entity 'user' is in a\.yaml too"):
        load_features(str(tmp_path), CONTRACTS)


@pytest.mark.parametrize("make", [lambda path: path / "none", lambda path: path])
def test_a_folder_without_feature_files_is_refused(tmp_path, make):
    with pytest.raises(FeatureError, match="no feature file"):
        load_features(str(make(tmp_path)), CONTRACTS)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(FeatureError, match="cannot be read as UTF-8"):
        load_features(str(tmp_path), CONTRACTS)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"type": "double"}, "1" + "0" * 400),
        ({"type": "double"}, ".inf"),
        ({"type": "string"}, '"\\ud800"'),
        ({"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}, "'1e999999999'"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}, "'1e99999'"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}, "10000"),
    ],
)
def test_a_value_that_no_field_can_hold_is_refused_in_where(tmp_path, kind, value):
    contracts = load_contracts(write_contract(tmp_path, a_contract(field("x", kind))))
    entry = f"{{name: n, aggregate: count, where: {{event_details.x: {value}}}}}"
    assert "can never be" in refusal(HEAD + f"features: [{entry}]", contracts)


@pytest.mark.parametrize("value", ["2026-13-45", "1" * 5000, "[" * 3000])
def test_what_yaml_itself_stumbles_over_is_one_line_too(value):
    assert "not YAML" in refusal(HEAD + f"features: {value}")


def test_a_name_that_is_broken_over_lines_is_told_in_one():
    text = 'entity: user\nkey: user_id\nstate: [{name: "a\\nb\\e[2J", field: event_type}]\n'
    with pytest.raises(FeatureError, match="'a b ") as caught:
        parse_features(text, "f.yaml", CONTRACTS)
    assert str(caught.value).isprintable()
