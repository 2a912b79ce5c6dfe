"""Hostile names, wherever names come from: none leads out of its folder or out of its quotes."""

import json
import posixpath
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_layout import (
    hour_folder,
    parse_hour_folder,
    parse_source_folder,
    source_folder,
    source_problem,
)
from schemas.bigtable_table import TableName
from schemas.contract import ContractError, load_contracts
from schemas.declaration_entries import check_name
from schemas.decoder import Decoder
from schemas.events import RawEvent
from schemas.manifest import parse_name
from schemas.metric_view import _text
from schemas.rejected import Reason, Rejected
from schemas.silver_tables import silver_table
from schemas.table_names import Datasets
from schemas.tables import TableError
from tests.schemas.any_event import SHIPPED, any_event, refused, wire
from transforms.object_names import object_name
from transforms.object_store import check_path
from transforms.quarantine import quarantine_folder

HOSTILE = [
    *("../../x", "..", ".", "/etc/passwd", "a/../../b", "gs://other/x", "~/x", "\\..\\x"),
    *("a'b", 'a"b', "a`b", "a`; DROP TABLE t; --", "a\0b", "a\nb", "a\r\nb", "{table:ops.late}"),
    *("$(id)", "%2e%2e%2f", "a b", "\u202ea", "a\u2028b", "x" * 500, "", "ops.late", "1", "__x"),
]
ANY_NAME = st.sampled_from(HOSTILE) | st.text(max_size=40)
NAMED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def is_inside(folder):
    parts = folder.split("/")
    is_plain = all(part.isprintable() and part not in ("", ".", "..") for part in parts)
    return is_plain and posixpath.normpath(folder) == folder


@given(ANY_NAME)
def test_a_source_is_one_folder_and_comes_back(source):
    if source_problem(source) is None:
        assert "/" not in source_folder(source)
        assert is_inside(source_folder(source))
        folder = hour_folder(source, 0)
        assert folder.count("/") == 2
        assert parse_hour_folder(folder) == (source, 0)
        assert parse_source_folder(source_folder(source)) == source


@given(ANY_NAME, ANY_NAME, st.dictionaries(ANY_NAME, ANY_NAME, max_size=2), st.integers())
def test_a_refused_message_stays_in_the_quarantine_whatever_it_says(step, name, attributes, time):
    try:
        step.encode()
    except UnicodeEncodeError:
        return
    record = Rejected(step, name, name, b"", attributes, name, name, None, time)
    folder = quarantine_folder(record)
    assert is_inside(folder)
    assert re.fullmatch(r"step=[^/]*/dt=(\d{4}-\d\d-\d\d|unknown)", folder)
    assert folder == quarantine_folder(msgspec.structs.replace(record, reason="", attributes={}))


@given(st.lists(st.binary(max_size=20), max_size=3))
def test_objects_are_named_by_digests(identities):
    assert re.fullmatch(r"[0-9a-f]{32}\.avro", object_name(identities, ".avro"))


@pytest.mark.parametrize("name", HOSTILE)
def test_what_lies_in_a_bucket_under_another_name_is_none_of_the_archives(name):
    for each in (name, f"{name}.json", f"{name}.avro"):
        assert parse_name(each) is None
        assert parse_hour_folder(each) is None
        found = parse_source_folder(each)
        assert found is None or source_folder(found) == each


@pytest.mark.parametrize("name", HOSTILE)
def test_an_event_type_is_one_of_a_contract_or_the_event_is_refused(name):
    event = {**any_event(), "event_type": name}
    reason = refused(RawEvent(wire(event), {name: name} if name else {}), Decoder(SHIPPED)).reason
    assert reason in (Reason.UNKNOWN_EVENT_TYPE, Reason.BAD_ID)


def contract_of(name, field="views", domain="shop"):
    fields = [{"name": field, "type": "long", "doc": "How many."}]
    head = {"type": "record", "name": name, "domain": domain, "doc": "A visit."}
    return msgspec.json.encode({**head, "fields": fields})


def tables_of(folder):
    contracts = load_contracts(str(folder))
    return [silver_table(contracts, each) for each in contracts.types]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_contract_names_nothing_that_is_no_name(name, tmp_path):
    """Of event types, domains and fields are made: tables, datasets and columns."""
    (tmp_path / "shop").mkdir()
    file = tmp_path / "shop" / "visit.avsc"
    for content in (contract_of(name), contract_of("visit", domain=name)):
        file.write_bytes(content)
        with pytest.raises(ContractError):
            load_contracts(str(tmp_path))
    file.write_bytes(contract_of("visit", field=name))
    with pytest.raises((ContractError, TableError)):
        tables_of(tmp_path)


@pytest.mark.parametrize("name", ["a`b", "a'b", "a b", "a\nb", "a;b", "..", "{table:x}"])
def test_a_contract_is_no_event_type_of_a_hostile_file_name(name, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / f"{name}.avsc").write_bytes(contract_of(name))
    with pytest.raises((ContractError, TableError)):
        tables_of(tmp_path)


@pytest.mark.parametrize("name", [each for each in HOSTILE if not NAMED.match(each)])
def test_declared_features_metrics_projects_prefixes_and_tables_are_names(name):
    with pytest.raises(ValueError, match="is no name"):
        check_name(name)
    with pytest.raises(TableError):
        Datasets(name)
    with pytest.raises(ValueError, match=r"projects/"):
        TableName.parse(f"projects/p/instances/i/tables/{name or '/'}!")
    if name and not re.fullmatch(r"\d", name):
        with pytest.raises(TableError):
            Datasets("my-project", name)


@given(st.text(max_size=40) | st.sampled_from(HOSTILE))
def test_a_declared_text_never_leaves_its_quotes(text):
    quoted = _text(text)
    assert json.loads(quoted) == text
    assert re.fullmatch(r'"(?:[^"\\\n\r]|\\.)*"', quoted)
    assert Datasets("my-project").sql(f"SELECT {quoted}") == f"SELECT {quoted}"


@pytest.mark.parametrize("path", ["", "gs://", "s3://b/x", "http://h/x", "file:///x"])
def test_places_are_local_folders_or_buckets(path):
    with pytest.raises(ValueError, match="write a local folder or gs://"):
        check_path(path)
