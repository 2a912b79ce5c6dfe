"""The oracle in SQL says of every message what the generator meant by it."""

import pytest

from local.generate import generate
from local.plan import Faults, Plan
from schemas.contract import load_contracts
from tests.sql_oracle import METRICS, Oracle, Raw, write_raw

FAULTS = Faults(duplicate=0.05, conflict=0.02, broken=0.06, drift=0.1, gzip=0.1)
KEY = "k1:0123456789abcdef"


@pytest.mark.engine
@pytest.mark.parametrize("seed", [4, 7])
def test_the_oracle_finds_every_fault_and_nothing_else(tmp_path, seed):
    plan = Plan(events=600, seed=seed, lines=False, clocked=True, faults=FAULTS)
    messages = list(generate(plan, load_contracts(None)))
    raw = [
        Raw(f"m{n:04}", each.publish_time, each.payload, each.attributes)
        for n, each in enumerate(messages)
    ]
    oracle = Oracle(write_raw(raw, tmp_path / "raw.ndjson"), KEY, {"1m": 60_000_000})
    found = {row["message_id"]: row.get("reason", "") for row in oracle.rows("outcome")}
    meant = {"event": "", "late": "", "duplicate": "duplicate", "conflict": "id_conflict"}
    assert found == {
        one.message_id: meant.get(each.label, each.label.removeprefix("rejected."))
        for one, each in zip(raw, messages, strict=True)
    }
    accepted = sum(each.label in ("event", "late") for each in messages)
    assert len(oracle.rows("silver")) == accepted
    assert sum(row["event_count"] for row in oracle.rows("activity")) == accepted
    assert all(oracle.rows(metric) for metric in METRICS)


def test_a_pseudonym_in_sql_is_the_documented_one(tmp_path):
    oracle = Oracle(write_raw([Raw("m", 0, b"", {})], tmp_path / "raw.ndjson"), KEY, {"1m": 1})
    [row] = oracle.rows("(SELECT pseudonym('ana') AS told)")
    assert row["told"] == "k1.RQzo0wCfjCMtbEYHfWXgeDLoevQ5jeYlXI_LNzXkxBE"
