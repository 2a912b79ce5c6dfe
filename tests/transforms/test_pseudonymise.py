import logging

import apache_beam as beam
import msgspec
import pytest

from schemas.events import Event, RawEvent
from schemas.pseudonym import PseudonymError, load_key, pseudonym
from tests.engine import run_batch
from tests.schemas.any_event import SHIPPED, any_event, wire
from transforms.decode import Decode
from transforms.pseudonymise import Pseudonymise

SIGNUP = any_event(
    event_type="signup",
    event_details={
        "email": "planted-mail", "method": "sso", "country": "DE", "plan": "free",
        "ip_address": "planted-address", "birth_date": "1990-01-01", "new": "planted-drift",
    },
)  # fmt: skip


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    path.write_text("k1:planted-secret-0123456789")
    return str(path)


def built(key, pipeline):
    raws = [RawEvent(wire(SIGNUP), {"a": "planted-attribute"}, "m", None, "planted-order")]
    decoded = pipeline | beam.Create(raws) | Decode(SHIPPED)
    return decoded.events | Pseudonymise(SHIPPED, key)


def test_nothing_personal_leaves(key, caplog):
    with caplog.at_level(logging.DEBUG):
        outcome = run_batch(lambda pipeline: {"events": built(key, pipeline)}, bundle_repeat=1)
    (event, *again) = outcome["events"]
    assert set(map(repr, again)) <= {repr(event)}
    assert event.details["email"] == pseudonym("planted-mail", load_key(key))
    assert event.details["country"] == "DE"
    assert event.drift == '["event_details.new"]'
    assert b"planted" not in msgspec.msgpack.encode(event)
    assert "planted" not in caplog.text
    assert "planted" not in repr(outcome.counters)


def test_the_key_is_not_in_the_graph(key):
    pipeline = beam.Pipeline(runner="FnApiRunner")
    output = built(key, pipeline)
    graph = pipeline.to_runner_api().SerializeToString()
    assert b"planted-secret" not in graph
    assert output.element_type is Event


def test_a_missing_key_stops_the_launch(tmp_path):
    for wrong in (None, str(tmp_path / "none")):
        with pytest.raises(PseudonymError):
            built(wrong, beam.Pipeline(runner="FnApiRunner"))
