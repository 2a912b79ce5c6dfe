"""Peers that need no packages of their own give the right result, and how the others are run."""

import json
import subprocess
import sys

import pytest

from benchmarks import bench_stream_count, harness, machine, oracles, peer_environment, report
from benchmarks.harness import BenchmarkError, Contender, run_once
from benchmarks.inputs import Input, prepared
from benchmarks.peers import duckdb_count, plain_loop
from benchmarks.process_tree import ProcessTree, descendants
from benchmarks.rows import ROWS
from local.docs_readme import benchmark_lines
from local.errors import MissingServiceError, ServiceError

CHILD = """
import subprocess, sys, time
if len(sys.argv) > 1:
    grandchild = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
held = bytearray(100_000_000)
held[::4_096] = b"x" * len(held[::4_096])
while time.process_time() < 0.3:
    pass
print(flush=True)
sys.stdin.read()
"""
RECORDED = {
    "name": "row",
    "title": "a title",
    "runs": 3,
    "contenders": [
        {"contender": "ours", "events": 100, "seconds": 1.0, "peak_mb": 5.0},
        {"contender": "plain", "events": 100, "seconds": 9.0, "peak_mb": 5.0, "ratio": 9.0},
        {"contender": "loop", "tool": "C", "events": 100, "seconds": 0.1, "peak_mb": 5.0,
         "ratio": 0.1, "tools": {"C": "17", "linker": "2.3"}},
    ],
    "taken": {"date": "2026-01-01", "cpus": 2, "machine": "x", "cpu": "a kind", "memory_gb": 8.0,
              "python": "3.11", "beam": "2"},
}  # fmt: skip


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield prepared(Input(1_500))


def recorded(tmp_path, *targets):
    ours, *peers = RECORDED["contenders"]
    told = [{**peer, "target": target, "own_input": False}
            for peer, target in zip(peers, targets, strict=True)]  # fmt: skip
    name = ROWS[0].name
    document = {**RECORDED, "name": name, "contenders": [ours, *told]}
    (tmp_path / f"{name}.json").write_text(json.dumps(document))
    return tmp_path


@pytest.mark.parametrize("peer", [plain_loop, duckdb_count])
def test_ceilings_count_each_event_once(events, peer):
    assert peer.run(str(events))() == oracles.counts_by_minute(events)


@pytest.mark.engine
def test_the_stream_counts_each_event_once(events):
    assert bench_stream_count.run(str(events))() == oracles.counts_by_minute(events)


def test_processes_that_a_contender_starts_count_as_its_own():
    with ProcessTree() as taken:
        command = [sys.executable, "-c", CHILD, CHILD]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            child.stdout.readline()
            child.stdout.readline()
            assert child.pid in set(descendants())
            held = taken_by_two(taken)
        finally:
            child.communicate()
    assert held > 200
    assert taken.cpu_seconds > 0.5
    with ProcessTree() as alone:
        pass
    assert alone.peak_mb < taken.peak_mb - 150
    assert alone.cpu_seconds < 0.3


def taken_by_two(tree):
    """Look once now; what is looked at in between depends on how busy the machine is."""
    tree._look()
    return tree._below_mb


def test_a_peer_apart_runs_by_the_interpreter_of_the_peers(tmp_path, monkeypatch):
    program = tmp_path / "python"
    said = {"seconds": 1.0, "events": 5, "result": "r", "peak_mb": 2.0, "cpu_seconds": 3.0,
            "tools": {"bytewax": "1"}, "figures": {"requests": 4}}  # fmt: skip
    program.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(harness, "peers_python", lambda: program)
    found = run_once(Contender("a", "peers.a", apart=True), tmp_path)
    assert (found.seconds, found.tools, found.figures) == (1.0, {"bytewax": "1"}, {"requests": 4})


def test_peers_that_cannot_be_set_up_are_one_line(tmp_path, monkeypatch):
    def missing():
        raise ServiceError("bytewax and PySpark could not be set up: no network")

    monkeypatch.setattr(harness, "peers_python", missing)
    with pytest.raises(BenchmarkError, match=r"^a: bytewax and PySpark could not be set up"):
        run_once(Contender("a", "peers.a", apart=True), tmp_path)


def test_without_java_nothing_is_installed_for_the_peers(tmp_path):
    with pytest.raises(MissingServiceError, match="Spark needs java on the PATH"):
        peer_environment.peers_python({"PATH": "", "HOME": str(tmp_path)})
    assert not list(tmp_path.iterdir())


def test_an_installation_that_fails_leaves_nothing_and_names_its_log(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("")
    (tmp_path / "bin" / "java").chmod(0o755)
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho it went wrong >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(peer_environment.sys, "executable", str(broken))
    environ = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    with pytest.raises(ServiceError, match=r"it went wrong \(log: .*python-peers\.log\)"):
        peer_environment.peers_python(environ)
    assert not list((tmp_path / ".cache" / "penstock").glob("python-peers-*/"))


def test_the_machine_is_told_by_kind_and_not_by_name():
    told = machine.kind_of_machine()
    assert set(told) == {"cpu", "memory_gb"}
    assert told["cpu"]
    assert told["memory_gb"] > 0.5


def test_tables_say_where_a_target_is_missed_and_name_tools_and_machine(tmp_path):
    folder = recorded(tmp_path, 8, None)
    papers, readme = report.table(folder), "\n".join(benchmark_lines(folder))
    assert "missed" not in papers + readme
    assert "C: loop: 0.10 s | 0.10x | none |" in papers
    assert "| a title | 100 | C: loop | 1,000 | **0.10x** |" in readme
    for text in (papers, readme):
        assert "2 cores" in text
        assert "(a kind, 8 GiB)" in text
        assert "C 17" in text
        assert "linker 2.3" in text
        assert "edians of 3 runs" in text
    folder = recorded(tmp_path, 10, 0.2)
    papers, readme = report.table(folder), "\n".join(benchmark_lines(folder))
    assert "9.0x | 10x, **missed** |" in papers
    assert "0.10x | 0.2x, **missed** |" in papers
    assert "**9.0x**, target 10x missed |" in readme
    assert "**0.10x**, target 0.2x missed |" in readme


def test_the_issues_targets_stand_in_the_rows():
    targets = {row.name: [peer.target for peer in row.peers] for row in ROWS}
    assert targets["distinct_count"] == [15, 0.35, None]
    assert targets["deduplicate"][0] == 10
    assert targets["hot_path"] == [8]
    assert targets["bytewax_count"] == [3, None]
    assert targets["stream_count"] == [2, 3, None]
