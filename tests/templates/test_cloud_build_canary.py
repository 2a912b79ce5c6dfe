"""What a build is asked for is looked at first, and a canary leaves no job behind."""

import pytest

from tests.templates.cloud_build import BUILT_IN, LONGEST_CANARY, Cloud, CloudBuild, valued

BUILD = CloudBuild.read()
COMMIT = BUILT_IN["COMMIT_SHA"]
TEMPLATES = "gs://my-project-jobs/templates"
IMAGE = f"europe-west1-docker.pkg.dev/my-project/penstock/hot_path@sha256:{'0' * 64}"
RUNNING = "JOB_STATE_RUNNING"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    return Cloud(tmp_path_factory.mktemp("cloud"), BUILD)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"COMMIT_SHA": ""}, "add --substitutions=COMMIT_SHA="),
        ({"COMMIT_SHA": "main"}, "add --substitutions=COMMIT_SHA="),
        ({"_TEMPLATES": "my-bucket/templates"}, "_TEMPLATES: a folder"),
        ({"_TEMPLATES": "gs://my-bucket/templates/"}, "_TEMPLATES: a folder"),
        ({"_STORAGE_WRITE": "true"}, "_STORAGE_WRITE: yes or no"),
        ({"_PIPELINES": ""}, "_PIPELINES: names"),
        ({"_PIPELINES": "audit,hot_path"}, "_PIPELINES: there is no audit,hot_path"),
        ({"_CANARY": "hot-path"}, "_CANARY: hot-path is none of _PIPELINES"),
        ({"_CANARY": "hot_path", "_PIPELINES": "audit"}, "_CANARY: hot_path is none of"),
        ({"_CANARY": "audit"}, "_CANARY: audit ends by itself"),
        ({"_CANARY": "hot_path", "_CANARY_SECONDS": "10m"}, "_CANARY_SECONDS: a number"),
        ({"_CANARY": "hot_path", "_CANARY_SECONDS": "08"}, "_CANARY_SECONDS: a number"),
        ({"_CANARY": "hot_path", "_CANARY_SECONDS": str(LONGEST_CANARY + 1)}, "1 to 1800"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line_before_anything_runs(cloud, given, words):
    done, _ = cloud.run("asked", **given)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_can_be_built_is_not_held_up(cloud):
    longest = {"_CANARY": "hot_path", "_CANARY_SECONDS": str(LONGEST_CANARY)}
    for given in ({}, longest, {"_PIPELINES": "audit", "_STORAGE_WRITE": "no"}):
        done, _ = cloud.run("asked", **given)
        assert (done.returncode, done.stderr) == (0, "")
    assert next(iter(BUILD.steps)) == "asked"


@pytest.fixture
def canary(cloud):
    """Give a function that runs a canary; it returns what came of it and the calls by verb."""
    images = cloud.work / "build" / "images"
    images.mkdir(parents=True, exist_ok=True)
    (images / "hot_path.txt").write_text(f"{IMAGE}\n")

    def run(states, **given):
        chosen = {"_CANARY": "hot_path", "_CANARY_PARAMETERS": "late_output=gs://b/l", **given}
        done, calls = cloud.run("canary", "\n".join(states), **chosen)
        return done, [call[3] if call[0] == "gcloud" else call[0] for call in calls], calls

    return run


def test_without_a_canary_nothing_is_launched(canary):
    done, _, calls = canary([], _CANARY="")
    assert (done.returncode, calls) == (0, [])


def test_a_canary_runs_for_a_while_and_is_drained(canary):
    states = ["JOB_STATE_QUEUED", RUNNING, RUNNING, "JOB_STATE_DRAINING", "JOB_STATE_DRAINED"]
    done, verbs, calls = canary(states)
    assert done.returncode == 0, done.stderr
    looks = ["describe", "sleep", "describe"]
    assert verbs == ["run", *looks, "sleep", "describe", "drain", *looks]
    launch, wait = calls[0], calls[4]
    assert launch[4] == "canary-hot-path-b1946ac9"
    assert valued(launch, "--template-file-gcs-location") == [f"{TEMPLATES}/{COMMIT}/hot_path.json"]
    assert valued(launch, "--parameters") == [
        f"^;^sdk_container_image={IMAGE};late_output=gs://b/l"
    ]
    assert wait == ["sleep", "600"]
    assert all("2026-01-31_04_05_06-7" in call for call in calls[1:] if call[0] == "gcloud")


def test_a_canary_has_the_options_of_gcloud_that_it_is_given(canary):
    states = [RUNNING, RUNNING, "JOB_STATE_DRAINED"]
    given = "--service-account-email=a@b.c --disable-public-ips --subnetwork=regions/r/s/*"
    done, _, calls = canary(states, _CANARY_OPTIONS=given)
    assert done.returncode == 0, done.stderr
    start = calls[0].index("--service-account-email=a@b.c")
    assert calls[0][start : start + 3] == given.split()


@pytest.mark.parametrize(
    ("states", "cancelled", "told"),
    [
        (["JOB_STATE_PENDING", "JOB_STATE_FAILED"], False, "ended: JOB_STATE_FAILED"),
        ([RUNNING, "JOB_STATE_CANCELLED"], False, "ended: JOB_STATE_CANCELLED"),
        ([RUNNING, RUNNING, "JOB_STATE_FAILED"], False, "ended: JOB_STATE_FAILED"),
        (["JOB_STATE_QUEUED"], True, "not JOB_STATE_RUNNING after 900 s"),
        ([RUNNING, RUNNING, "JOB_STATE_DRAINING"], True, "not JOB_STATE_DRAINED after 1200 s"),
    ],
)
def test_a_canary_that_fails_or_hangs_fails_the_build_and_leaves_no_job(
    canary, states, cancelled, told
):
    done, verbs, _ = canary(states)
    assert done.returncode == 1
    assert done.stderr.endswith(f"{told}\n")
    assert (verbs[-1] == "cancel") is cancelled
