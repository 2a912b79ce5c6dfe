"""Tests of what a run over many seeds is summed up to."""

import json

import pytest

from chaos import command
from chaos.page import page
from chaos.record import Record
from chaos.verdict import Verdict, Violation


@pytest.fixture
def record():
    found = Record(5)
    found.add(Verdict(5, "simulation", {"redelivery": 3, "burst_429": 0}, (), {"messages": 40}))
    broken = (Violation("conservation", "hot: read 4, told 3"),)
    found.add(Verdict(6, "simulation", {"redelivery": 1, "hot_key": 1}, broken, {"messages": 2}))
    found.add(Verdict(5, "loop", {"full_disk": 1}, ()))
    return found


def test_the_summary_tells_seeds_faults_by_kind_and_violations(record):
    assert record.summary() == (
        "chaos: 2 simulations, 1 loops from seed 5; 6 faults (redelivery 4, hot_key 1, full_disk 1)"
        "; 1 violations in 1 seeds: simulation 6"
    )


def test_the_page_tells_the_same_as_the_record(record):
    told = json.loads(record.to_json())
    text = page(told)
    assert "2 seeds of the simulation and 1 of the loop" in text
    assert "**1 violations**" in text
    assert "| `redelivery` | 2 | 4 |" in text
    assert "burst_429" not in text
    assert "- seed 6: `conservation`: hot: read 4, told 3" in text


def verdicts(*violations):
    return lambda *_: iter([Verdict(1, "simulation", {"hot_key": 1}, violations)])


def test_the_exit_status_says_whether_a_promise_was_broken(monkeypatch, capsys):
    monkeypatch.setattr(command, "_reduce", lambda record, folder: None)
    monkeypatch.setattr(command, "_simulations", verdicts())
    assert command.main(["--only=simulation"]) == 0
    assert capsys.readouterr().out.endswith("1 faults (hot_key 1); 0 violations\n")
    monkeypatch.setattr(command, "_simulations", verdicts(Violation("conservation", "short")))
    assert command.main(["--only=simulation"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("1 violations in 1 seeds: simulation 1")


def test_what_cannot_be_run_is_no_success(monkeypatch, capsys, tmp_path):
    def interrupted(_given):
        yield Verdict(1, "simulation", {}, ())
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_simulations", interrupted)
    assert command.main(["--only=simulation", f"--results={tmp_path}"]) == 2
    assert "1 simulations" in capsys.readouterr().out.splitlines()[-1]
    assert command.main([f"--replay={tmp_path}/missing.json"]) == 2
    assert "missing.json" in capsys.readouterr().err
