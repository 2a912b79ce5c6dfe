import json
import logging
import pickle

import google.cloud.secretmanager
import msgspec
import pytest
from google.api_core.exceptions import NotFound, PermissionDenied
from google.auth.exceptions import DefaultCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.events import RawEvent
from schemas.pseudonym import (
    PseudonymError,
    Pseudonymiser,
    PseudonymKey,
    check_key,
    load_key,
    needs_key,
    pseudonym,
)
from tests.schemas.any_event import (
    SHIPPED,
    a_contract,
    accepted,
    any_event,
    envelope_with,
    field,
    thing,
    write_contract,
)
from transforms.decode import event_of

KEY = PseudonymKey.of(b"k1:0123456789abcdef0123456789abcdef")
SECRET_NAME = "projects/p/secrets/s/versions/3"


def personal(tmp_path, user=None):
    nested = {"type": "record", "name": "Person", "fields": [
        field("name", "string", pii="pseudonymise"),
        field("phone", ["null", "string"], pii="drop"),
        field("age", "long"),
    ]}  # fmt: skip
    fields = [
        field("email", ["null", "string"], pii="pseudonymise"),
        field("born", ["null", {"type": "int", "logicalType": "date"}], pii="drop"),
        field("person", ["null", nested]),
        field("people", {"type": "array", "items": "Person"}, default=[]),
        field("by_role", {"type": "map", "values": "Person"}, default={}),
        field(
            "words", {"type": "array", "items": ["null", "string"]}, pii="pseudonymise", default=[]
        ),
        field("notes", {"type": "map", "values": "string"}, pii="pseudonymise", default={}),
        field("plain", ["null", "string"]),
    ]
    if user is not None:
        envelope = envelope_with(2, pii=user)
        envelope["fields"][3]["pii"] = user
        write_contract(tmp_path, envelope, "envelope.avsc")
    return load_contracts(write_contract(tmp_path, a_contract(*fields)))


def planted():
    person = {"name": "planted-name", "phone": "planted-phone", "age": 5}
    return thing(
        email="planted-mail", born="1990-01-01", person=person, people=[person, person],
        by_role={"boss": person},
        words=["planted-word", None], notes={"n": "planted-note"}, plain="plain",
        unknown="planted-unknown",
    )  # fmt: skip


def hidden(value):
    return pseudonym(value, KEY)


def test_every_personal_field_of_a_record_is_changed_and_no_other(tmp_path):
    contracts = personal(tmp_path)
    record = accepted(planted(), Decoder(contracts))[0]
    changed = Pseudonymiser(contracts, KEY).apply(record)
    person = {"name": hidden("planted-name"), "age": 5}
    assert changed is record
    assert msgspec.to_builtins(record.event_details) == {
        "email": hidden("planted-mail"),
        "person": person,
        "people": [person, person],
        "by_role": {"boss": person},
        "words": [hidden("planted-word"), None],
        "notes": {"n": hidden("planted-note")},
        "plain": "plain",
    }
    assert record.user_id == "u-1"
    assert b"planted" not in msgspec.json.encode(record)


def test_nulls_stay_null(tmp_path):
    contracts = personal(tmp_path)
    record = accepted(thing(), Decoder(contracts))[0]
    Pseudonymiser(contracts, KEY).apply(record)
    assert record.event_details.email is None
    assert record.event_details.person is None


def test_the_envelope_can_be_personal(tmp_path):
    contracts = personal(tmp_path, user="pseudonymise")
    apply = Pseudonymiser(contracts, KEY).apply
    record = apply(accepted(thing(), Decoder(contracts))[0])
    assert (record.user_id, record.session_id) == (hidden("u-1"), hidden("s-1"))
    anonymous = apply(accepted({**thing(), "session_id": None}, Decoder(contracts))[0])
    assert anonymous.session_id is None


def test_an_event_loses_all_that_may_be_personal(tmp_path):
    contracts = personal(tmp_path, user="pseudonymise")
    raw = RawEvent(json.dumps(planted()).encode(), {"trace": "planted-trace"}, "m-1", 5, "u-1")
    event = event_of(raw, accepted(planted(), Decoder(contracts)))
    before = msgspec.msgpack.encode(event)
    changed = Pseudonymiser(contracts, KEY).apply_to_event(event)
    assert msgspec.msgpack.encode(event) == before
    assert b"planted" not in msgspec.msgpack.encode(changed)
    assert changed.user_id == hidden("u-1")
    assert changed.drift == '["event_details.unknown"]'
    assert changed.raw == RawEvent(b"", {}, "m-1", 5)
    assert (changed.event_id, changed.event_time, changed.content) == (
        event.event_id,
        event.event_time,
        event.content,
    )
    person = {"name": hidden("planted-name"), "age": 5, "phone": None}
    assert changed.details["person"] == person


@given(st.text(), st.text())
def test_pseudonyms_are_equal_where_values_are(one, two):
    assert (pseudonym(one, KEY) == pseudonym(two, KEY)) is (one == two)


def test_a_pseudonym_names_its_key_and_depends_on_it():
    other = PseudonymKey.of(b"k2:fedcba9876543210fedcba9876543210")
    assert pseudonym("ana", KEY) == "k1.1m538X-vm88j9sTWyYgU4Ck9FQqsUUc6Ez5vHycb5gs"
    assert pseudonym("ana", other).startswith("k2.")
    assert pseudonym("ana", other)[3:] != pseudonym("ana", KEY)[3:]


def test_a_key_without_a_name_gets_one_that_does_not_change():
    key = PseudonymKey.of(b"0123456789abcdef\n")
    assert key == PseudonymKey.of(b"0123456789abcdef")
    assert len(key.key_id) == 8
    assert key.key_id != PseudonymKey.of(b"0123456789abcdeg").key_id


def test_the_secret_is_neither_shown_nor_pickled():
    assert "0123456789abcdef" not in repr(KEY)
    for holder in (KEY, Pseudonymiser(SHIPPED, KEY)):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(holder)


def test_a_key_is_loaded_from_a_file_or_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "key file"
    path.write_bytes(b"k1:0123456789abcdef0123456789abcdef\n")
    monkeypatch.setenv("A_KEY", path.read_text())
    assert load_key(str(path)) == load_key(f"file:{path}") == load_key("env:A_KEY") == KEY


def test_a_missing_key_is_one_line_with_a_remedy(tmp_path, monkeypatch):
    (tmp_path / "empty").write_bytes(b"\n")
    monkeypatch.delenv("NO_KEY", raising=False)
    for location, remedy in (
        (str(tmp_path / "none"), "give projects/P/secrets/S/versions/V"),
        (str(tmp_path), "give projects/P/secrets/S/versions/V"),
        (str(tmp_path / "empty"), "put 32 random bytes"),
        ("/dev/zero", "more than 65536 bytes; check the file"),
        ("env:NO_KEY", "export NO_KEY"),
        ("", "give projects/P/secrets/S/versions/V"),
    ):
        with pytest.raises(PseudonymError) as caught:
            load_key(location)
        assert remedy in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_short_key_is_warned_of_without_being_shown(tmp_path, caplog):
    path = tmp_path / "key"
    path.write_bytes(b"planted")
    with caplog.at_level(logging.WARNING):
        load_key(str(path))
    assert "shorter than 16 bytes" in caplog.text
    assert "planted" not in caplog.text


class _Secrets:
    answer: object = None

    def access_secret_version(self, name):
        if isinstance(self.answer, Exception):
            raise self.answer
        assert name == SECRET_NAME
        data = type("Payload", (), {"data": self.answer})
        return type("Response", (), {"payload": data})


def test_a_key_is_loaded_from_secret_manager(monkeypatch):
    monkeypatch.setattr(google.cloud.secretmanager, "SecretManagerServiceClient", _Secrets)
    monkeypatch.setattr(_Secrets, "answer", b"k1:0123456789abcdef0123456789abcdef")
    assert load_key(SECRET_NAME) == KEY


@pytest.mark.parametrize("error", [NotFound("planted"), PermissionDenied("planted")])
def test_a_refusal_by_secret_manager_is_one_line(monkeypatch, error):
    monkeypatch.setattr(google.cloud.secretmanager, "SecretManagerServiceClient", _Secrets)
    monkeypatch.setattr(_Secrets, "answer", error)
    with pytest.raises(PseudonymError, match=f"{type(error).__name__}; grant") as caught:
        load_key(SECRET_NAME)
    assert "planted" not in str(caught.value)


def test_without_credentials_for_secret_manager_the_remedy_is_to_log_in(monkeypatch):
    monkeypatch.setattr(google.cloud.secretmanager, "SecretManagerServiceClient", _Secrets)
    monkeypatch.setattr(_Secrets, "answer", DefaultCredentialsError("planted"))
    with pytest.raises(PseudonymError, match="no Google Cloud credentials; run gcloud") as caught:
        load_key(SECRET_NAME)
    assert "planted" not in str(caught.value)


def test_contracts_that_need_a_key_do_not_start_without_one(tmp_path):
    assert needs_key(SHIPPED)
    with pytest.raises(PseudonymError, match="give --pseudonym_key"):
        check_key(SHIPPED, None)
    with pytest.raises(PseudonymError, match="give --pseudonym_key"):
        Pseudonymiser(SHIPPED, None)
    dropping = load_contracts(
        write_contract(tmp_path, a_contract(field("a", ["null", "string"], pii="drop")))
    )
    assert not needs_key(dropping)
    check_key(dropping, None)
    record = accepted(thing(a="planted"), Decoder(dropping))[0]
    assert Pseudonymiser(dropping, None).apply(record).event_details.a is None


def test_shipped_events_without_personal_fields_stay_as_they_are():
    record = accepted(any_event())[0]
    before = msgspec.json.encode(record)
    assert msgspec.json.encode(Pseudonymiser(SHIPPED, KEY).apply(record)) == before
