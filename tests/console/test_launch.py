"""The command that launches: what it shows, sends and ends with."""

import json

import pytest

from console import launch_run
from tests.console.launch_builders import EXAMPLE, FILE, written
from tests.console.test_console import run
from tests.fake_dataflow import Answer, FakeDataflow, serving
from tests.no_credentials import forget_credentials
from transforms import object_store

HOT = "penstock-hot-path"
SECRET = "2026:a-secret-in-the-wrong-place"


@pytest.fixture
def prod(tmp_path):
    return f"--env={written(tmp_path)}"


def test_a_dry_run_shows_the_request_and_needs_nobody(capsys, monkeypatch, tmp_path, prod):
    forget_credentials(monkeypatch, tmp_path)
    status, out, err = run(capsys, "launch", "hot_path", prod, "--dry_run", "--set", "shards=32")
    assert status == 0, err
    launched = json.loads(out)["launchParameter"]
    assert (launched["jobName"], launched["parameters"]["shards"]) == (HOT, "32")
    assert err == "penstock: nothing was sent: --dry_run\n"


def test_a_dry_run_of_the_example_says_where_the_image_comes_from(capsys):
    status, out, err = run(capsys, "launch", "archive_raw", f"--env={EXAMPLE}", "--dry_run")
    assert status == 0
    assert "sdkContainerImage" not in out
    assert "the image of the workers is that of the template" in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["hot_pth", "--dry_run"], ["hot_pth: no such pipeline; did you mean hot_path?"]),
        (["hot_path", "--set=horizn=1d", "--set=shards=x"], ["did you mean horizon", "shards=x"]),
        (["hot_path", "--set", SECRET], ["--set: write NAME=VALUE"]),
        (["hot_path", f"--set=pseudonym_key={SECRET}"], ["no name of Secret Manager"]),
        (["hot_path", "--set=late_output="], ["--late_output is missing"]),
        (["hot_path", "--job_name=My job"], ["--job_name My job: write small letters"]),
        (["hot_path", "--wait=soon"], ["--wait soon: "]),
        (["hot_path", "--old_graph=x"], ["--old_graph goes with --update"]),
        (["archive_raw", "--dry_run", "--update", "--old_graph=/no"], ["/no: no such file"]),
        (["curate_events", "--update"], ["--update: curate_events reads no subscription here"]),
        (["hot_path", "--dataflow_endpoint=http://example.com"], ["write https://HOST"]),
        ([], ["PIPELINE"]),
    ],
)
def test_a_mistake_is_a_line_each_and_status_two(capsys, prod, argv, words):
    status, out, err = run(capsys, "launch", *argv, prod)
    assert (status, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True))
    assert SECRET not in err


def test_a_key_in_a_wrong_place_is_not_shown(capsys, prod):
    key = "2026:" + "0aZ+" * 8
    for name in ("pseudonym_key", "late_output", "horizon"):
        status, out, err = run(
            capsys, "launch", "hot_path", prod, "--dry_run", f"--set={name}={key}"
        )
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert key not in err


def test_a_name_that_dataflow_may_not_take_is_refused(capsys, tmp_path):
    named = f"--env={written(tmp_path, f'{FILE}job_prefix: {chr(97) * 60}')}"
    status, out, err = run(capsys, "launch", "hot_path", named, "--dry_run")
    assert (status, out) == (2, "")
    assert "longer than 63; shorten job_prefix, or job_name" in err


def test_an_interrupted_launch_says_that_it_stopped(capsys, monkeypatch, prod):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(launch_run, "launch_job", interrupt)
    assert run(capsys, "launch", "hot_path", prod) == (130, "", "penstock: stopped\n")


def test_without_credentials_nothing_is_sent_and_the_line_says_how_to_log_in(
    capsys, monkeypatch, tmp_path, prod
):
    forget_credentials(monkeypatch, tmp_path)
    status, out, err = run(capsys, "launch", "hot_path", prod)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "no credentials; run gcloud auth application-default login" in err


def test_a_launch_shows_its_request_and_ends_when_the_job_runs(capsys, prod):
    fake = FakeDataflow(states=["JOB_STATE_RUNNING"])
    with serving(fake) as address:
        argv = ["launch", "hot_path", prod, f"--dataflow_endpoint={address}"]
        status, out, err = run(capsys, *argv)
    assert status == 0, err
    # What was sent is what was shown.
    (sent,) = fake.requests
    assert json.loads(out)["launchParameter"] == sent["launchParameter"]
    assert [line.split(": ")[1].partition(" ")[0] for line in err.splitlines()] == ["job", "job"]


@pytest.mark.parametrize(
    ("fake", "status", "words"),
    [
        (FakeDataflow(launches=[Answer(403, "not allowed")]), 1, "roles/dataflow.developer"),
        (FakeDataflow(states=["JOB_STATE_FAILED"], messages=["no such image"]), 1, "no such image"),
        (FakeDataflow(states=["JOB_STATE_PENDING"]), 3, "is pending after 0.01 s"),
    ],
    ids=["refused", "failed", "pending"],
)
def test_the_status_tells_what_became_of_a_launch(capsys, prod, fake, status, words):
    with serving(fake) as address:
        argv = ["launch", "hot_path", prod, f"--dataflow_endpoint={address}", "--wait=10ms"]
        found, _, err = run(capsys, *argv)
    assert (found, "Traceback" in err) == (status, False)
    assert words in err.splitlines()[-1]


def test_a_launch_need_not_be_waited_for(capsys, prod):
    with serving(FakeDataflow(states=["JOB_STATE_PENDING"])) as address:
        argv = ["launch", "hot_path", prod, f"--dataflow_endpoint={address}", "--wait=0s"]
        status, _, err = run(capsys, *argv)
    assert (status, len(err.splitlines())) == (0, 1)


def test_the_image_of_the_workers_is_that_of_the_template(capsys, monkeypatch, tmp_path):
    read = []
    specs = iter([b'{"image": "repository/image@sha256:00"}', None, b"[]", b'{"image": 1}'])
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:9")
    monkeypatch.setattr(object_store, "read_object", lambda path: read.append(path) or next(specs))
    text = "".join(line for line in FILE.splitlines(keepends=True) if "image:" not in line)
    with serving(FakeDataflow(states=["JOB_STATE_RUNNING"])) as address:
        named = [f"--env={written(tmp_path, text)}", f"--dataflow_endpoint={address}"]
        status, out, _ = run(capsys, "launch", "hot_path", *named)
        assert status == 0
        runtime = json.loads(out)["launchParameter"]["environment"]
        assert runtime["sdkContainerImage"] == "repository/image@sha256:00"
        for _ in range(3):
            status, out, err = run(capsys, "launch", "hot_path", *named)
            assert (status, out) == (1, "")
            assert "no file of a flex template is there; build it" in err
    assert set(read) == {"gs://my-bucket/templates/hot_path.json"}
