"""Inputs that once reached something new, or crashed, keep the promises of their targets."""

import json

import pytest

from chaos.fuzz_runs import CORPUS
from chaos.fuzz_targets import TARGETS, load_target

_RECORD = CORPUS.parents[2] / "docs" / "chaos" / "fuzz.json"


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_and_some_seeds_keep_the_promises(name):
    target = load_target(name)
    kept = sorted((CORPUS / name).iterdir())
    assert kept
    for data in [*list(target.seeds())[:3], *(path.read_bytes() for path in kept)]:
        target.check(data)


def test_kept_inputs_are_few_and_small():
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == set(TARGETS)
    assert sum(path.stat().st_size for path in files) < 300_000


def test_a_million_executions_of_all_targets_are_recorded_without_a_crash():
    recorded = json.loads(_RECORD.read_text())
    assert recorded["executions"] >= 1_000_000
    assert recorded["executions"] == sum(run["executions"] for run in recorded["targets"])
    assert recorded["crashes"] == 0
    assert {run["target"] for run in recorded["targets"]} == set(TARGETS)
