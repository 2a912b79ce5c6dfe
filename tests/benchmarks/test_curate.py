"""The benchmark of curated events: both contenders give the rows that the oracle works out."""

import pytest

from benchmarks import bench_curate, oracles
from benchmarks.inputs import Input, prepared
from benchmarks.peers import curate_naive

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield prepared(Input(1_000))


@pytest.mark.parametrize("contender", [bench_curate, curate_naive])
def test_contenders_make_the_right_row_of_each_event_once(events, contender):
    assert contender.run(str(events))() == oracles.curated_rows(events)


def test_a_row_that_differs_in_one_value_has_another_digest(events):
    row = {"event_id": "e", "event_details": {"n": 1, "at": "2026-01-31T12:00:00Z"}}
    spelled = {**row, "event_details": {"n": 1.0, "at": "2026-01-31T13:00:00+01:00", "x": None}}
    other = {**row, "event_details": {**row["event_details"], "n": 2}}
    assert oracles.digest_of_rows([row]) == oracles.digest_of_rows([{**spelled, "ingest_time": 1}])
    assert oracles.digest_of_rows([row]) != oracles.digest_of_rows([other])
