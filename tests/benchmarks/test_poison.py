"""The poison flood: lines are broken as they say, and a run of it is checked whole."""

import collections

import pytest

from benchmarks import poison
from benchmarks.bench_poison import MOST_BYTES
from benchmarks.harness import BenchmarkError, Measured
from benchmarks.inputs import Input, prepared
from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.refusal import Refusal

REASONS = {"not_json", "wrong_type", "unknown_event_type", "payload_too_large", "too_deep"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def lines():
    return prepared(Input(1_000)).read_bytes().splitlines()


@pytest.mark.parametrize(("share", "invalid"), [(0, 0), (50, 500), (100, 1_000)])
def test_of_every_share_each_line_is_accepted_or_refused_for_its_reason(lines, share, invalid):
    decoder = Decoder(load_contracts(), max_event_bytes=MOST_BYTES)
    made = list(poison.poisoned(lines, share))
    for line, reason in made:
        read = decoder.read(line, None, None)
        assert (read.reason.value if isinstance(read, Refusal) else "") == reason
    counts = collections.Counter(reason for _, reason in made if reason)
    assert counts.total() == invalid
    assert set(counts) == (REASONS if invalid else set())


def test_a_wrong_result_is_an_error_and_a_missed_target_is_told(monkeypatch):
    given = []

    def run(_, path):
        given.append(path.read_bytes().count(b"\n"))
        return Measured(1.0, 1_000, "wrong", 1.0, 100.0)

    monkeypatch.setattr(poison, "run_once", run)
    with pytest.raises(BenchmarkError, match="0 % invalid is not the right one"):
        poison.measure(1_000, 1)
    assert given == [1_000]
    figures = [{"value": value, "target": 0.5} for value in (100, 49, 10)]
    assert "(0.49x, target 0.5x, **missed**)" in poison.told({"figures": figures})


@pytest.mark.engine
def test_the_flood_ends_in_cells_and_in_the_quarantine():
    found = poison.measure(1_000, 1)["figures"]
    assert [each["what"] for each in found] == [
        "lines a second, 0 % invalid",
        "lines a second, 50 % invalid",
        "lines a second, 100 % invalid",
    ]
    assert all(each["value"] > 0 for each in found)
