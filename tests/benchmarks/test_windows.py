"""The benchmarks of windows: right results on small inputs."""

import pytest

from benchmarks import bench_window_count, bench_window_measures, oracles, window_oracles
from benchmarks.inputs import Archived, Input, prepared
from benchmarks.peers import window_combine, window_measures

pytestmark = pytest.mark.engine

EVENTS = 300


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "windows"))


@pytest.mark.parametrize("contender", [bench_window_count, window_combine])
def test_contenders_count_the_events_of_each_minute(contender):
    path = prepared(Input(EVENTS, duplicate=0))
    assert contender.run(str(path))() == oracles.counts_by_minute(path)


@pytest.mark.parametrize("contender", [bench_window_measures, window_measures])
def test_contenders_measure_the_activity_of_each_window(contender):
    path = prepared(Archived(EVENTS))
    assert contender.run(str(path))() == window_oracles.activity_by_window(path)
