"""Runs on several engines are compared by what they leave, and a difference is told, not hidden."""

import json
from pathlib import Path

import pytest

from local import flink_batch, flink_engines
from local.errors import MissingServiceError, ServiceError
from local.flink_batch import JOBS, EngineRuns, write_events


def left_by(argv: list[str]) -> int:
    """Play a job: what it leaves depends on the engine."""
    options = dict(each.removeprefix("--").split("=", 1) for each in argv)
    rows = Path(options["rows_output"]) / "t" / "dt=2026-01-01"
    rows.mkdir(parents=True)
    engine = options["runner"]
    lines = [{"id": n, "ingest_time": engine} for n in range(3 - (engine == "lossy"))]
    if engine == "unordered":
        lines.reverse()
    (rows / f"{engine}.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    Path(options["counters_output"]).write_text(json.dumps({"read": 3 + (engine == "unordered")}))
    return int(engine == "broken")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(
        flink_batch, "JOBS", {"a job": (left_by, flink_batch.JOBS["curated events"][1])}
    )
    said: list[str] = []

    def run(*engines: str):
        options = {engine: [f"--runner={engine}"] for engine in engines}
        return EngineRuns(options, tmp_path, tmp_path / "events.ndjson", said.append).run(), said

    return run


def test_order_and_the_clock_do_not_count_but_a_missing_line_does(runs):
    found, said = runs("first", "unordered", "lossy")
    assert [run.differences for run in found] == [[], [], ["1 of 3 lines differ"]]
    assert [run.counters for run in found] == [[], ["read"], []]
    assert [run.lines for run in found] == [3, 3, 2]
    assert said[1] == "a job on unordered: 3 lines in 0 s, the same; other counters: read"
    assert said[2] == "a job on lossy: 2 lines in 0 s, 1 of 3 lines differ"


def test_a_job_that_fails_is_one_line_that_names_its_log(runs, tmp_path):
    with pytest.raises(ServiceError, match=r"^a job on broken left with status 1 \(log: .*log\)$"):
        runs("broken")


def test_the_events_have_faults_of_every_kind_and_a_seed_decides_them(tmp_path):
    first = write_events(tmp_path, 300, seed=1).read_bytes()
    assert write_events(tmp_path, 300, seed=1).read_bytes() == first
    assert write_events(tmp_path, 300, seed=2).read_bytes() != first
    assert len(first.splitlines()) == 300


def test_without_java_the_command_ends_with_one_line_and_status_2(monkeypatch, capsys):
    def missing() -> None:
        msg = "Flink needs java on the PATH: install it"
        raise MissingServiceError(msg)

    monkeypatch.setattr(flink_engines, "obtain_flink", missing)
    assert flink_engines.main(["--kills=1"]) == 2
    assert capsys.readouterr().err == "Flink needs java on the PATH: install it\n"


@pytest.mark.prism
def test_every_batch_job_leaves_the_same_on_fn_api_runner_and_on_prism(prism_binary, tmp_path):
    prism = ["--runner=PrismRunner", f"--prism_location={prism_binary}"]
    engines = {
        "FnApiRunner": ["--runner=FnApiRunner"],
        "Prism": [*prism, "--environment_type=LOOPBACK"],
    }
    events = write_events(tmp_path, 400, seed=5)
    found = EngineRuns(engines, tmp_path, events, [].append).run()
    assert [(run.job, run.engine) for run in found] == [(j, e) for j in JOBS for e in engines]
    assert {(run.job, *run.differences) for run in found} == {(job,) for job in JOBS}
    assert all(run.lines > 300 for run in found)
