"""An update of a running job: its graph is compared first, and it replaces one job that runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from console import launch_graph, launch_update
from console.graph_files import read_graph
from console.launch_graph import built_graph
from console.launch_parameters import job_of, parameters_of
from console.launch_update import checked_mapping
from tests.console.launch_builders import KEY, environment, written
from tests.console.test_console import run
from tests.fake_dataflow import FakeDataflow, serving
from tests.templates.dockerfile import ROOT

HOT = "penstock-hot-path"
KEPT = ROOT / "templates" / "hot_path" / "graphs" / "hot_live.json"
STAGED = "gs://my-bucket/staging/penstock-hot-path.1/pipeline.pb"


@pytest.fixture
def prod(tmp_path):
    return f"--env={written(tmp_path)}"


@pytest.fixture
def todays(monkeypatch):
    """Let the graph that is built be one that is kept; it is built by a test of its own."""
    monkeypatch.setattr(launch_update, "built_graph", lambda *_: KEPT.read_bytes())


def graph_file(folder, change):
    """Write a kept graph with one of its labels that keep something changed."""
    kept = json.loads(KEPT.read_text())
    change(kept)
    path = folder / "old.json"
    path.write_text(json.dumps(kept))
    return f"--old_graph={path}"


def moved(kept):
    text = json.dumps(kept).replace('"FoldEntities/', '"Fold/').replace('"FoldEntities"', '"Fold"')
    kept.update(json.loads(text))


def other(kept):
    step = next(each for each in kept["steps"] if "windowing" in json.dumps(each))
    step["holds"] = {"coder": "another"}


def updated(capsys, prod, fake, *argv):
    with serving(fake) as address:
        named = ["--update", f"--dataflow_endpoint={address}", "--wait=1s"]
        return run(capsys, "launch", "hot_path", prod, *named, *argv)


@pytest.mark.usefixtures("todays")
@pytest.mark.parametrize(
    ("change", "verdict"), [(lambda _: None, "compatible"), (moved, "needs mapping")]
)
def test_an_update_replaces_the_running_job_by_a_graph_that_can_take_over(
    capsys, tmp_path, prod, change, verdict
):
    fake = FakeDataflow(states=["JOB_STATE_RUNNING"])
    running = fake.put(HOT)
    status, out, err = updated(capsys, prod, fake, graph_file(tmp_path, change))
    assert status == 0, err
    assert f"job {HOT} runs as {running}" in err
    assert f"graphs: {verdict}" in err
    sent = fake.requests[0]["launchParameter"]
    mapping = sent.get("transformNameMappings", {})
    assert sent["update"] is True
    assert all(old.startswith("Fold/") for old in mapping)
    assert bool(mapping) is (verdict == "needs mapping")
    assert json.loads(out)["launchParameter"] == sent


@pytest.mark.usefixtures("todays")
def test_an_update_that_would_lose_state_is_not_sent_and_says_why(capsys, tmp_path, prod):
    fake = FakeDataflow()
    fake.put(HOT)
    status, out, err = updated(capsys, prod, fake, graph_file(tmp_path, other))
    assert (status, out, fake.requests) == (1, "", [])
    *_, reason, last = err.splitlines()
    assert "drain" in reason
    assert "this graph cannot take over; drain the job, launch anew: docs/runbooks/" in last


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([], "none is running in europe-west1; launch it without --update"),
        (["JOB_STATE_DRAINING"], "(JOB_STATE_DRAINING); an update needs one that runs"),
        (["JOB_STATE_RUNNING", "JOB_STATE_PENDING"], "an update needs one that runs, and no other"),
    ],
)
def test_an_update_needs_one_job_that_runs(capsys, prod, states, words):
    fake = FakeDataflow()
    for state in states:
        fake.put(HOT, currentState=state)
    status, out, err = updated(capsys, prod, fake)
    assert (status, out, fake.requests) == (1, "", [])
    assert words in err.splitlines()[-1]


@pytest.mark.usefixtures("todays")
def test_an_update_reads_the_graph_that_the_running_job_was_launched_with(
    capsys, monkeypatch, prod
):
    asked = []
    monkeypatch.setattr(
        launch_update, "read_graph", lambda url: asked.append(url) or read_graph(str(KEPT))
    )
    fake = FakeDataflow(states=["JOB_STATE_RUNNING"])
    options = {"sdkPipelineOptions": {"options": {"pipelineUrl": STAGED}}}
    fake.put(HOT, environment=options)
    status, _, err = updated(capsys, prod, fake)
    assert (status, asked) == (0, [STAGED]), err


@pytest.mark.parametrize(
    "told", [{}, {"options": {}}, {"options": {"pipelineUrl": "/etc/passwd"}}, {"options": "x"}]
)
def test_a_job_that_does_not_name_its_graph_needs_a_file(capsys, prod, told):
    fake = FakeDataflow()
    fake.put(HOT, environment={"sdkPipelineOptions": told})
    status, _, err = updated(capsys, prod, fake)
    assert (status, fake.requests) == (1, [])
    assert "does not name its graph; name the graph of its release: --old_graph" in err


def test_the_update_of_a_job_that_was_started_warm_needs_a_span_of_its_own(
    capsys, monkeypatch, prod
):
    monkeypatch.setattr(launch_update, "built_graph", lambda *_: KEPT.read_bytes())
    warm = f"--old_graph={KEPT.with_name('hot_warm.json')}"
    status, _, err = run(capsys, "launch", "hot_path", prod, "--dry_run", "--update", warm)
    assert status == 1
    assert "FollowArchive/FollowManifest: is gone" in err
    assert "the running job was started warm; when that is over: --set warm_span=" in err
    monkeypatch.setattr(
        launch_update,
        "built_graph",
        lambda _, given: KEPT.with_name(
            "hot_warm.json" if "warm_from_archive" in given else "hot_live.json"
        ).read_bytes(),
    )
    spanned = ["--set", "warm_from_archive=gs://my-archive", "--set", "warm_span=2h"]
    status, out, err = run(
        capsys, "launch", "hot_path", prod, "--dry_run", "--update", warm, *spanned
    )
    assert status == 0, err
    assert json.loads(out)["launchParameter"]["parameters"]["warm_span"] == "2h"
    assert "graphs: compatible" in err
    assert "covers_from" not in err


def test_an_update_leaves_the_warm_start_out_and_says_so(capsys, prod):
    argv = ["--set", "warm_from_archive=gs://my-archive", "--dry_run", "--update"]
    status, out, err = run(capsys, "launch", "hot_path", prod, *argv)
    assert status == 0
    assert "warm" not in out
    assert "left out, since an update keeps the state of its job: warm_from_archive" in err
    assert "covers_from is unset, so tiles that are open now are withheld" in err
    assert "the graph of the running job is not looked at" in err
    status, _, err = run(capsys, "launch", "archive_raw", prod, "--dry_run", "--update")
    assert (status, "covers_from" in err) == (0, False)


def test_a_graph_is_built_of_copies_of_the_declarations_and_with_a_key_of_its_own(monkeypatch):
    there = {"gs://b/contracts/web/a.avsc": b"{}", "gs://b/f.yaml": b"x: 1"}
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:9")
    monkeypatch.setattr(
        launch_graph,
        "read_objects",
        lambda root, _: ((path, data) for path, data in there.items() if path.startswith(root)),
    )
    told = {}

    def launched(argv):
        options = dict(item[2:].split("=", 1) for item in argv if "=" in item)
        assert Path(options["contracts"], "web", "a.avsc").read_bytes() == b"{}"
        assert Path(options["features"]).read_bytes() == b"x: 1"
        key = Path(options["pseudonym_key"].removeprefix("file:"))
        assert key.read_text().startswith("graph:")
        Path(options["staging_location"], "pipeline.pb").write_bytes(b"the graph")
        told.update(options)

    job = job_of("hot_path")
    monkeypatch.setattr(launch_graph, "job_of", lambda _: Launched(job.options, launched))
    given = {"contracts": "gs://b/contracts/", "features": "gs://b/f.yaml", "pseudonym_key": KEY}
    assert built_graph("hot_path", {**given, "shards": "16"}) == b"the graph"
    assert told["shards"] == "16"
    # It is gone again, with the key.
    assert not Path(told["staging_location"]).exists()


class Launched(NamedTuple):
    """A job whose run is looked at."""

    options: type
    run: Callable


@pytest.mark.engine
def test_todays_graph_is_built_offline_and_takes_over_from_the_one_that_is_kept(tmp_path):
    parameters = parameters_of(environment(tmp_path), "hot_path")
    told = []
    assert checked_mapping("hot_path", parameters, read_graph(str(KEPT)), told.append) == {}
    assert told[-1] == "graphs: compatible"
