"""Profiles: the sampler sees what runs, stacks are told by what is ours, and drawn to scale."""

import sys
from collections import Counter
from xml.etree import ElementTree

import pytest

from benchmarks import profile
from benchmarks.flame_graph import flame_graph
from benchmarks.harness import BenchmarkError
from benchmarks.inputs import Input
from benchmarks.profile import profile_row, sampled
from benchmarks.rows import ROWS
from benchmarks.stacks import condensed, read_folded, shares, written

SVG = "{http://www.w3.org/2000/svg}"
SPIN = """
import time

def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1_000))

def idle():
    time.sleep(0.2)

def run():
    idle()
    spin(0.5)

run()
"""
STACKS = {
    ("main (m.py:1)", "run (benchmarks/b.py:2)", "f (beam/a.py:3)", "g (beam/c.py:9)"): 30,
    ("main (m.py:1)", "run (benchmarks/b.py:5)", "f (beam/a.py:4)", "g (beam/c.py:8)"): 30,
    ("main (m.py:1)", "run (benchmarks/b.py:2)", "0x7f00 (libc.so.6)", "h (schemas/s.py:1)"): 39,
    ("main (m.py:1)", "run (benchmarks/b.py:2)", "clock_nanosleep (libc.so.6)"): 500,
    ("main (m.py:1)", "load (importlib.py:2)"): 900,
    ("Thread.run (threading.py:9)", "Condition.wait (threading.py:8)", "take (libc.so.6)"): 800,
    ("Thread.run (threading.py:9)", "k (transforms/t.py:8)"): 1,
}


def test_the_stacks_of_a_run_are_those_of_the_function_that_worked(tmp_path):
    script = tmp_path / "spins.py"
    script.write_text(SPIN)
    own = [stack for stack in sampled([sys.executable, str(script)]).items() if "run" in str(stack)]
    spinning = sum(count for stack, count in own if any(f.startswith("spin ") for f in stack))
    assert spinning > 10
    assert spinning > 0.8 * sum(count for _, count in own)


def test_a_command_that_cannot_be_profiled_is_one_line(tmp_path):
    with pytest.raises(BenchmarkError, match=r"py-spy: .*allow ptrace"):
        sampled([str(tmp_path / "nothing")])


def test_condensed_stacks_are_the_same_for_every_run_and_leave_out_waiting_and_imports():
    found = condensed(STACKS, "(benchmarks/b.py)")
    assert found == {
        ("run (benchmarks/b.py)", "beam", "g (beam/c.py)"): 60,
        ("run (benchmarks/b.py)", "h (schemas/s.py)"): 39,
        ("other threads", "k (transforms/t.py)"): 1,
    }
    assert read_folded(written(found)) == found


def test_shares_tell_what_is_below_a_frame_and_what_is_in_it():
    told = {frame: (below, inside) for frame, below, inside in shares(condensed(STACKS, "b.py)"))}
    assert told["run (benchmarks/b.py)"] == (0.99, 0)
    assert told["h (schemas/s.py)"] == (0.39, 0.39)


def test_stacks_too_small_to_see_are_one_line_and_none_is_lost():
    stacks = Counter({("a", "b"): 9_999, ("a", "<c>"): 1})
    assert written(stacks) == "a;b 9999\nsmaller stacks 1\n"


def test_a_frame_of_the_flame_graph_is_as_wide_as_its_samples_and_below_its_caller():
    drawn = ElementTree.fromstring(flame_graph({("a", "<b>"): 3, ("a", "c"): 1}, "a & b"))
    boxes = {
        group.findtext(f"{SVG}title"): group.find(f"{SVG}rect") for group in drawn.iter(f"{SVG}g")
    }
    assert set(boxes) == {"a: 100.0%", "<b>: 75.0%", "c: 25.0%"}
    wide = {name[0]: float(box.get("width")) for name, box in boxes.items()}
    assert wide["<"] == pytest.approx(3 * wide["c"], rel=0.01)
    assert float(boxes["a: 100.0%"].get("y")) < float(boxes["c: 25.0%"].get("y"))


def test_a_rows_profile_is_of_its_own_contender_on_its_input(tmp_path, monkeypatch):
    seen = []
    prefix = "main (m.py:1)", "run (benchmarks/bench_deduplicate.py:3)"
    stacks = {(*prefix, "f (schemas/s.py:1)"): 7, ("elsewhere (e.py:1)",): 9}
    monkeypatch.setattr(profile, "sampled", lambda command: seen.append(command) or stacks)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    [row] = [each for each in ROWS if each.name == "deduplicate"]
    said = []
    folded, drawn = profile_row(row._replace(input=Input(100)), 2, said.append, tmp_path)
    assert [command[2] for command in seen] == ["benchmarks.bench_deduplicate"] * 2
    assert folded.read_text() == "run (benchmarks/bench_deduplicate.py);f (schemas/s.py) 14\n"
    assert ElementTree.fromstring(drawn.read_text()).findtext(f"{SVG}title").startswith(row.title)
    monkeypatch.setattr(profile, "sampled", lambda command: {("elsewhere (e.py:1)",): 9})
    with pytest.raises(BenchmarkError, match="deduplicate: no sample of its run"):
        profile_row(row._replace(input=Input(100)), 1, said.append, tmp_path)
    assert any("100.0%" in line and "f (schemas/s.py)" in line for line in said)
