"""Rows of before and their filled ones together: the current ones are those of curating anew."""

import hashlib
import json

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.contract_set import Contracts
from schemas.current_rows import current_rows
from schemas.drift_fill import DriftFill
from tests.schemas import any_contract
from tests.schemas.any_event import any_event
from tests.schemas.test_drift_fill import KEY, LATER, curated, is_hollow, without_idle, without_some


def rows_of_messages(messages, contracts, time):
    """Return the row of each message as it is published, and its drift."""
    for published, event in messages:
        row, drift = curated(event, contracts, time)
        digest = hashlib.sha256(repr((event, len(contracts.types["thing"].fields))).encode())
        row = {**json.loads(row), "publish_time": published, "content_digest": digest.hexdigest()}
        yield row, drift


@pytest.mark.engine
@settings(max_examples=50)
@given(st.data())
def test_once_filled_rows_are_there_the_current_ones_are_those_of_curating_anew(data):
    new = data.draw(any_contract.contracts())
    fields = without_some(data.draw, new.types["thing"].fields, defaults=False)
    old = Contracts({"thing": msgspec.structs.replace(new.types["thing"], fields=fields)},
                    new.envelope)  # fmt: skip
    assume(not any(is_hollow(fields[each], new.types["thing"].fields[each]) for each in fields))
    details = st.lists(any_contract.wire_record(new.types["thing"].fields), min_size=1, max_size=5)
    messages = [
        (
            f"2026-01-01T00:00:0{number}Z",
            any_event(event_id=f"e{number % 2}", event_type="thing", event_details=each),
        )
        for number, each in enumerate(data.draw(details))
    ]
    stored = list(rows_of_messages(messages, old, "2026-01-01T00:00:00Z"))
    fill = DriftFill(new, KEY)
    made = [fill.fill(row, drift, LATER) for row, drift in stored if drift is not None]
    filled = [json.loads(row) for row in made if row is not None]
    anew = [row for row, _ in rows_of_messages(messages, new, LATER)]
    replayed = data.draw(st.sets(st.sampled_from(range(len(anew)))))
    table = [*(row for row, _ in stored), *filled, *(anew[place] for place in replayed)]
    shown = current_rows(data.draw(st.permutations(table)))
    wanted = current_rows(anew)
    assert {each: of_the_event(row) for each, row in shown.items()} == {
        each: of_the_event(row) for each, row in wanted.items()
    }


def of_the_event(row):
    """Return a row without what depends on the run, and on values that a row does not hold."""
    of_the_run = ("ingest_time", "content_digest")
    return without_idle({name: value for name, value in row.items() if name not in of_the_run})
