"""What `event_bytes` measures: larger packs move and write less, and nothing is left out."""

import pytest

from benchmarks import event_bytes
from benchmarks.inputs import Input, prepared
from benchmarks.naive_bytes import naive
from benchmarks.streamed import SHARDS, encoded_bytes


@pytest.fixture
def lines(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(event_bytes._KEY, "k1:pseudonyms-of-invented-people")
    return prepared(Input(256)).read_bytes().splitlines()[:256]


def test_larger_packs_move_keep_and_write_less_and_payloads_are_in_what_is_shuffled(lines):
    (few, _), (many, streamed) = (event_bytes._streamed(lines, size) for size in (1, 16))
    payload = sum(map(len, lines)) / len(lines)
    for figures in (few, many):
        assert figures["ids_shuffle"] > payload
        # Digests of 16 bytes and what finds them again.
        assert figures["ids_state"] > 16
    for name in ("ids_shuffle", "ids_state", "changes_shuffle", "changes_state", "row_bytes"):
        assert many[name] < few[name], name
    assert many["ids_packs"] == pytest.approx(SHARDS / len(lines), abs=1e-3)
    assert many["rows"] <= few["rows"] <= 2
    kept = event_bytes._kept(streamed)
    assert kept["entity_hours"] >= kept["entities"] > 10
    assert kept["table_bytes_an_entity_hour"] > 50
    assert kept["memory_an_entity_hour"] > 100
    assert kept["state_an_entity_hour"] > 50


def test_a_naive_pipeline_writes_every_field_by_itself_and_keeps_every_id(lines):
    figures = naive(lines)
    assert figures["rows"] == figures["mutations"] > 5
    # Ids of 32 digits stand with a flag and with a timer.
    assert figures["ids_state"] > 64
    assert 10 < figures["archive"] < figures["curated_row"]


def test_an_element_is_as_large_as_its_coder_makes_it_with_window_and_time():
    size = encoded_bytes(tuple[str, bytes])
    assert size(("key", b"x" * 100)) - size(("key", b"")) == 100
