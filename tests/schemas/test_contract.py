import json
import pathlib
import pickle

import pytest
from apache_beam.io.filesystems import FileSystems
from google.cloud.bigquery import SchemaField

from schemas.bigquery_schema import bigquery_schema
from schemas.contract import ContractError, load_contracts
from tests.schemas.any_event import (
    SHIPPED,
    a_contract,
    envelope_with,
    every_type,
    field,
    write_contract,
)

SHIPPED_TYPES = {
    "identity": {"signup", "login", "profile_updated"},
    "product": {"page_view", "click", "search", "feature_used"},
    "learning": {"lesson_started", "lesson_completed", "quiz_submitted"},
    "billing": {"purchase", "refund", "subscription_changed"},
}


def problem(tmp_path, *fields, **changed):
    with pytest.raises(ContractError) as caught:
        load_contracts(write_contract(tmp_path, a_contract(*fields, **changed)))
    return str(caught.value)


def test_the_shipped_set_is_complete():
    domains = {domain: set() for domain in SHIPPED_TYPES}
    for contract in SHIPPED.types.values():
        domains[contract.domain].add(contract.event_type)
    assert domains == SHIPPED_TYPES


def test_money_is_an_integer_in_minor_units_with_a_currency():
    billing = [one for one in SHIPPED.types.values() if one.domain == "billing"]
    for contract in billing:
        assert contract.fields["amount_minor"].kind == "long"
        assert contract.fields["currency"].kind == "enum"


def test_every_shipped_field_says_what_it_means():
    def walk(fields):
        for name, one in fields.items():
            assert one.doc.endswith("."), name
            walk((one.items or one).fields)

    for contract in [SHIPPED.envelope, *SHIPPED.types.values()]:
        walk(contract.fields)


def test_contracts_travel_to_workers():
    assert pickle.loads(pickle.dumps(SHIPPED)) == SHIPPED


def test_a_field_is_found_by_its_path():
    assert SHIPPED.field("purchase", "user_id").kind == "string"
    assert SHIPPED.field("page_view", "event_details.campaign.source").kind == "string"
    assert SHIPPED.field("signup", "event_details.email").pii == "pseudonymise"


@pytest.mark.parametrize(
    ("event_type", "path"),
    [
        ("nothing", "user_id"),
        ("purchase", "nothing"),
        ("purchase", "event_details.nothing"),
        ("purchase", "event_details.items.sku"),
        ("purchase", "event_details.amount_minor.x"),
        ("purchase", "user_id.x"),
        ("purchase", ""),
    ],
)
def test_an_unknown_path_is_a_key_error(event_type, path):
    with pytest.raises(KeyError):
        SHIPPED.field(event_type, path)


def test_another_folder_replaces_the_shipped_types_and_keeps_the_shipped_envelope(tmp_path):
    contracts = load_contracts(write_contract(tmp_path, a_contract(field("n", "long"))))
    assert list(contracts.types) == ["thing"]
    assert contracts.envelope == SHIPPED.envelope


def test_a_folder_can_declare_the_user_personal(tmp_path):
    path = write_contract(tmp_path, a_contract())
    write_contract(tmp_path, envelope_with(2, pii="pseudonymise"), "envelope.avsc")
    assert load_contracts(path).field("thing", "user_id").pii == "pseudonymise"


def test_every_supported_type_is_read(tmp_path):
    contracts = load_contracts(write_contract(tmp_path, every_type()))
    kinds = {one.kind for one in contracts.types["thing"].fields.values()}
    assert kinds == {
        "boolean", "int", "long", "float", "double", "bytes", "string", "date", "timestamp-millis",
        "timestamp-micros", "decimal", "uuid", "enum", "array", "map", "record",
    }  # fmt: skip
    assert contracts.field("thing", "event_details.decimal").scale == 2
    assert contracts.field("thing", "event_details.more.deep.label").kind == "string"
    assert contracts.field("thing", "event_details.from").default == "here"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"type": "fixed", "name": "F", "size": 4}, "fixed is not supported"),
        ("Nothing", "type Nothing is not supported"),
        (["null", "string", "long"], "union"),
        (["string", "long"], "union"),
        (["null"], "union"),
        ("null", "type null is not supported"),
        (5, "neither"),
        ({"type": "int", "logicalType": "time-millis"}, "time-millis is not supported"),
        ({"type": "long", "logicalType": "date"}, "is not of type int"),
        ({"type": "bytes", "logicalType": "decimal"}, "precision"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 5}, "scale"),
        ({"type": "enum", "name": "E", "symbols": []}, "symbols"),
        ({"type": "enum", "name": "E", "symbols": ["a", "a"]}, "symbols"),
        ({"type": "enum", "symbols": ["a"]}, "name"),
        ({"type": "array"}, "neither"),
        ({"type": "record", "name": "R"}, "fields"),
        ({"type": "record", "name": "R", "fields": [field("r", ["null", "R"])]}, "holds itself"),
        (
            {"type": "record", "name": "R", "fields": [field("r", ["null", "thing"])]},
            "holds itself",
        ),
        ({"type": "string", "pii": "drop"}, "inside the type"),
    ],
)
def test_an_unsupported_type_names_file_field_and_remedy(tmp_path, kind, words):
    message = problem(tmp_path, field("bad", kind))
    assert "shop/thing.avsc: bad" in message
    assert words in message
    assert ";" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"pii": "hash"}, "unknown value of pii"),
        ({"PII": "drop"}, "unknown attribute PII"),
        ({"pii": "drop"}, "cannot be null"),
        ({"default": None}, "default null"),
        ({"default": 5}, "default does not fit"),
        ({"examples": "x"}, "examples is not a list"),
        ({"examples": [5]}, "example does not fit"),
        ({"minimum": 1}, "minimum"),
        ({"doc": 5}, "doc is not text"),
    ],
)
def test_a_wrong_attribute_names_the_field(tmp_path, attributes, words):
    message = problem(tmp_path, field("bad", "string", **attributes))
    assert "shop/thing.avsc: bad" in message
    assert words in message


@pytest.mark.parametrize("kind", ["long", ["null", "boolean"], {"type": "map", "values": "long"}])
def test_only_strings_can_be_pseudonymised(tmp_path, kind):
    assert "not a string" in problem(tmp_path, field("bad", kind, pii="pseudonymise"))


@pytest.mark.parametrize("name", ["", "1a", "a-b", "__a", "a b", 5])
def test_a_field_needs_a_usable_name(tmp_path, name):
    assert "usable name" in problem(tmp_path, field(name, "string"))


def test_names_that_differ_by_case_only_are_refused(tmp_path):
    assert "twice" in problem(tmp_path, field("a", "string"), field("A", "string"))


def test_minimum_is_not_above_maximum(tmp_path):
    assert "above" in problem(tmp_path, field("a", "long", minimum=3, maximum=1))


def test_an_event_is_never_deeper_than_the_decoder_allows(tmp_path):
    kind = "long"
    for _ in range(63):
        kind = {"type": "array", "items": kind}
    assert "deeper than 64" in problem(tmp_path, field("a", kind))
    contracts = load_contracts(write_contract(tmp_path, a_contract(field("a", kind["items"]))))
    assert contracts.types["thing"].fields["a"].kind == "array"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "other"}, "not named thing"),
        ({"domain": "other"}, "domain is not shop"),
        ({"doc": ""}, "no doc"),
        ({"type": "enum"}, "no Avro record"),
        ({"fields": None}, "no list of fields"),
    ],
)
def test_the_record_fits_its_file(tmp_path, changed, words):
    message = problem(tmp_path, **changed)
    assert words in message
    assert "shop/thing.avsc" in message


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b"5", b"[" * 5000])
def test_a_file_that_is_no_contract_is_named(tmp_path, content):
    with pytest.raises(ContractError, match=r"shop/thing\.avsc: no ") as caught:
        load_contracts(write_contract(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_a_name_that_is_broken_over_lines_is_told_in_one(tmp_path):
    told = problem(tmp_path, field("a", "str\ning\x1b[2J"))
    assert told.isprintable()
    assert "type str ing" in told


def test_a_folder_that_is_missing_or_empty_is_named(tmp_path):
    with pytest.raises(ContractError, match="no such folder"):
        load_contracts(str(tmp_path / "none"))
    with pytest.raises(ContractError, match="no contracts here"):
        load_contracts(str(tmp_path))
    with pytest.raises(ContractError, match="cannot be read"):
        load_contracts("nowhere://bucket/contracts")
    with pytest.raises(ContractError, match="cannot be looked at"):
        load_contracts("a" * 5_000)


def test_a_file_in_the_place_of_a_folder_and_the_other_way_round_are_told(tmp_path):
    (tmp_path / "shop" / "thing.avsc").mkdir(parents=True)
    with pytest.raises(ContractError) as caught:
        load_contracts(str(tmp_path))
    wanted = f"{tmp_path}/shop/thing.avsc: a folder, not a contract; name folders by domain"
    assert wanted in str(caught.value)
    (tmp_path / "file").touch()
    with pytest.raises(ContractError, match="a file, not a folder; give the folder that holds"):
        load_contracts(str(tmp_path / "file"))


def test_a_file_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    path = write_contract(tmp_path, a_contract())

    def refused(self, *_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "open", refused)
    with pytest.raises(ContractError, match=r"thing\.avsc: the file cannot be read \(Permission"):
        load_contracts(path)


def test_an_event_type_has_one_domain(tmp_path):
    write_contract(tmp_path, a_contract())
    write_contract(tmp_path, a_contract(domain="zoo"), "zoo/thing.avsc")
    with pytest.raises(
        ContractError, match=r"zoo/thing\.avsc: event type thing is also in domain shop"
    ):
        load_contracts(str(tmp_path))


@pytest.mark.parametrize("file", ["thing.avsc", "a/shop/thing.avsc"])
def test_a_contract_is_in_the_folder_of_its_domain(tmp_path, file):
    with pytest.raises(ContractError, match="folder of its domain"):
        load_contracts(write_contract(tmp_path, a_contract(), file))


@pytest.mark.parametrize(
    ("position", "changed", "words"),
    [
        (0, {"type": ["null", "string"]}, "event_id: a type that the envelope cannot have"),
        (4, {"type": "string"}, "event_timestamp: a type"),
        (3, {"name": "visit_id"}, "the envelope"),
        (1, {"pii": "pseudonymise"}, "event_type: pii is not possible"),
        (2, {"default": "x"}, "user_id: a default"),
    ],
)
def test_an_envelope_has_the_fixed_fields(tmp_path, position, changed, words):
    path = write_contract(tmp_path, a_contract())
    write_contract(tmp_path, envelope_with(position, **changed), "envelope.avsc")
    with pytest.raises(ContractError, match=r"envelope\.avsc") as caught:
        load_contracts(path)
    assert words in str(caught.value)


@pytest.mark.emulator
def test_contracts_are_read_from_cloud_storage(gcs_emulator, tmp_path):
    bucket = f"gs://{gcs_emulator.bucket()}"
    for file, spec in {"shop/thing.avsc": a_contract(), "readme.txt": {}}.items():
        with FileSystems.create(f"{bucket}/set/{file}") as opened:
            opened.write(json.dumps(spec).encode())
    assert list(load_contracts(f"{bucket}/set/").types) == ["thing"]
    with pytest.raises(ContractError, match="no contracts here"):
        load_contracts(f"{bucket}/other")


def test_a_table_is_derived_from_a_contract(tmp_path):
    contracts = load_contracts(write_contract(tmp_path, every_type()))
    columns = {column["name"]: column for column in bigquery_schema(contracts, "thing")}
    details = {column["name"]: column for column in columns["event_details"]["fields"]}
    assert columns["event_id"]["mode"] == "REQUIRED"
    assert columns["session_id"]["mode"] == "NULLABLE"
    assert columns["unknown_fields"]["type"] == "STRING"
    assert details["decimal"] == {
        "name": "decimal", "type": "NUMERIC", "precision": "6", "scale": "2", "mode": "NULLABLE",
    }  # fmt: skip
    assert details["by_name"]["mode"] == "REPEATED"
    assert [one["name"] for one in details["by_name"]["fields"]] == ["key", "value"]
    assert details["parts"]["type"] == "RECORD"
    assert details["words"]["fields"] == [{"name": "value", "type": "STRING", "mode": "NULLABLE"}]
    assert details["grid"]["fields"] == [{"name": "value", "type": "INTEGER", "mode": "REPEATED"}]


def test_a_table_has_no_column_for_what_is_dropped_and_none_for_no_details(tmp_path):
    signup = json.dumps(bigquery_schema(SHIPPED, "signup"))
    assert "ip_address" not in signup
    assert "email" in signup
    empty = load_contracts(write_contract(tmp_path, a_contract()))
    assert "event_details" not in {column["name"] for column in bigquery_schema(empty, "thing")}


def test_all_shipped_tables_are_ones_that_bigquery_knows():
    for event_type in SHIPPED.types:
        for column in bigquery_schema(SHIPPED, event_type):
            parsed = SchemaField.from_api_repr(column)
            assert parsed.name == column["name"]
            assert parsed.mode == column["mode"]
