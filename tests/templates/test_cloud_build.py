"""cloudbuild.yaml does what .ci/run does, and then builds every template, by digest.

What this cannot show: Cloud Build itself, and what Docker and gcloud make of their arguments.
"""

import hashlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from local.write_templates import jobs
from tests.templates.cloud_build import (
    BUILT_IN,
    LONGEST_CANARY,
    Cloud,
    CloudBuild,
    names_in,
    valued,
)
from tests.templates.dockerfile import DOCKERFILE, ROOT, Dockerfile

BUILD = CloudBuild.read()
SCRIPTS = [name for name, step in BUILD.steps.items() if "script" in step]
COMMIT = BUILT_IN["COMMIT_SHA"]
IMAGES = "europe-west1-docker.pkg.dev/my-project/penstock"
TEMPLATES = "gs://my-project-jobs/templates"
# How long a step may take beside what it waits for by itself, and a look by gcloud.
SPARE_SECONDS, LOOK_SECONDS = 300, 5


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def digest_of(pipeline):
    return "sha256:" + hashlib.sha256(f"{pipeline}.json\n".encode()).hexdigest()


def targets(text):
    return re.findall(r"^\s*make ([a-z]+)$", text, re.MULTILINE)


def made(step):
    """Return the targets of make that a step runs."""
    if "script" in step:
        return targets(step["script"])
    assert step["entrypoint"] == "make"
    return step["args"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    return Cloud(tmp_path_factory.mktemp("cloud"), BUILD)


@pytest.fixture(scope="module")
def built(cloud):
    """A cloud in which the images and the templates are built, and the calls for the images."""
    done, calls = cloud.run("images")
    assert done.returncode == 0, done.stderr
    done, _ = cloud.run("templates")
    assert done.returncode == 0, done.stderr
    return cloud, calls


def test_it_makes_the_targets_of_ci_and_no_others_before_anything_is_built():
    checks = [name for name in BUILD.steps if name in set(BUILD.steps["images"]["waitFor"])]
    ran = [target for name in ("setup", *checks) for target in made(BUILD.steps[name])]
    assert ran == ["setup", *targets((ROOT / ".ci" / "run").read_text())]
    assert all(BUILD.steps[name]["waitFor"] == ["setup"] for name in checks)


def test_its_targets_are_there_and_style_is_checked_as_it_says(cloud):
    make = shutil.which("make")
    for name in ("setup", "lint", "type", "site", "test"):
        (target,) = made(BUILD.steps[name])
        # What is dear is only looked up; the environment of these tests is the one that is there.
        how = [] if target == "lint" else ["--dry-run"]
        python = f"PY={shlex.quote(sys.executable)}"
        command = [make, *how, "--old-file=.venv/.ready", python, target]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    done, calls = cloud.run("test")
    assert done.returncode == 0, done.stderr
    assert calls[-1] == ["make", "test"]
    assert {"default-jdk-headless", "maven"} <= set(calls[1])
    done, calls = cloud.run("test", failing="make")
    assert done.returncode != 0


def test_no_template_is_left_out_and_none_is_made_up():
    kept = {path.parent.name for path in (ROOT / "templates").glob("*/metadata.json")}
    assert BUILD.pipelines == sorted(kept) == sorted(jobs())
    files = re.findall(r"templates/Dockerfile|templates/\$pipeline/\w+\.json", BUILD.text)
    assert len(files) >= 3
    for pipeline in kept:
        for file in files:
            assert (ROOT / file.replace("$pipeline", pipeline)).is_file()


def test_what_is_substituted_is_declared_has_a_default_and_is_used():
    code = "\n".join(line for line in BUILD.text.splitlines() if not line.lstrip().startswith("#"))
    scripts = [BUILD.steps[name]["script"] for name in SCRIPTS]
    for script in scripts:
        # Cloud Build fills in nothing there: what a script uses is in its environment.
        assert not names_in(script) & {*BUILD.substitutions, *BUILT_IN}
    used = {name for name in names_in(code) if name.startswith("_")}
    assert used == set(BUILD.substitutions)
    assert all(re.fullmatch(r"_[A-Z][A-Z_]*", name) for name in used)
    assert all(isinstance(value, str) for value in BUILD.substitutions.values())
    assert BUILD.config["options"]["dynamicSubstitutions"] is True


def test_scripts_are_bash_and_find_all_that_they_use():
    for name in SCRIPTS:
        script = BUILD.steps[name]["script"]
        assert script.startswith("#!/usr/bin/env bash\nset -euo pipefail\n")
        done = subprocess.run(
            ["bash", "-n"], input=script, text=True, capture_output=True, check=False
        )
        assert not (done.returncode or done.stderr), (name, done.stderr)
        given = set(BUILD.environment(name))
        assert given == names_in(script), name


def test_steps_wait_for_steps_before_them_and_none_is_forgotten():
    names = list(BUILD.steps)
    assert len(names) == len(BUILD.config["steps"])
    for number, name in enumerate(names[1:], 1):
        assert set(BUILD.steps[name]["waitFor"]) <= set(names[:number])
    waited = {each for step in BUILD.steps.values() for each in step.get("waitFor", [])}
    assert waited == set(names) - {"promote"}


def test_each_step_and_the_whole_end_in_time():
    path = {}
    for name, step in BUILD.steps.items():
        before = max((path[each] for each in step.get("waitFor", [])), default=0)
        path[name] = before + seconds(step["timeout"])
    whole = seconds(BUILD.config["timeout"])
    assert max(path.values()) <= whole <= 86_400
    waits = [int(each) for each in re.findall(r"^await (\d+) ", canary_script(), re.MULTILINE)]
    looks = sum(waits) // 10
    waited = sum(waits) + looks * LOOK_SECONDS + LONGEST_CANARY
    assert len(waits) == 3
    assert waited + SPARE_SECONDS <= seconds(BUILD.steps["canary"]["timeout"])


def canary_script():
    return BUILD.steps["canary"]["script"]


def test_images_have_no_secret_and_versions_of_the_dockerfile():
    assert not re.search(r"(?i)secret|password|token|availableSecrets|private", BUILD.text)
    file = Dockerfile.read()
    assert BUILD.substitutions["_PYTHON_VERSION"] == file.arguments["PYTHON_VERSION"]
    assert BUILD.substitutions["_STORAGE_WRITE"] in ("yes", "no")


def test_every_image_is_built_with_the_cache_and_pushed_by_commit(built):
    _, calls = built
    assert calls[0][:3] == ["docker", "buildx", "create"]
    builds = {
        valued(call, "--tag")[0]: call
        for call in calls
        if call[:3] == ["docker", "buildx", "build"]
    }
    assert list(builds) == [f"{IMAGES}/{name}:{COMMIT}" for name in BUILD.pipelines]
    declared = re.findall(r"^ARG (\w+)", DOCKERFILE.read_text(), re.MULTILINE)
    for name, call in zip(BUILD.pipelines, builds.values(), strict=True):
        arguments = dict(each.split("=", 1) for each in valued(call, "--build-arg"))
        rows = '"write_method"' in (ROOT / "templates" / name / "metadata.json").read_text()
        assert arguments == {
            "PIPELINE": name,
            "REVISION": COMMIT,
            "STORAGE_WRITE": "yes" if rows else "no",
        }
        assert set(arguments) <= set(declared)
        assert "--push" in call
        (read,), (kept,) = valued(call, "--cache-from"), valued(call, "--cache-to")
        assert kept == f"{read},mode=max"
        assert f"ref={IMAGES}/cache:" in read


def test_what_is_submitted_has_the_history_which_the_tests_ask():
    """Without a file of its own gcloud leaves .git and .gitignore behind."""
    lines = (ROOT / ".gcloudignore").read_text().splitlines()
    assert [line for line in lines if not line.startswith("# ")] == ["#!include:.gitignore"]
    assert not [line for line in (ROOT / ".gitignore").read_text().split() if ".git" in line]


def test_every_template_names_its_image_by_digest(built):
    cloud, _ = built
    done, calls = cloud.run("templates", _TEMPLATES="gs://mine/t")
    assert done.returncode == 0, done.stderr
    assert len(calls) == len(BUILD.pipelines)
    for name, call in zip(BUILD.pipelines, calls, strict=True):
        spec = f"gs://mine/t/{COMMIT}/{name}.json"
        assert call[:5] == ["gcloud", "dataflow", "flex-template", "build", spec]
        assert valued(call, "--image") == [f"{IMAGES}/{name}@{digest_of(name)}"]
        assert valued(call, "--metadata-file") == [f"templates/{name}/metadata.json"]
        assert valued(call, "--sdk-language") == ["PYTHON"]


def test_a_build_that_fails_and_an_image_without_a_digest_end_the_step(built):
    cloud, _ = built
    assert cloud.run("images", failing="docker")[0].returncode != 0
    assert cloud.run("templates", failing="gcloud")[0].returncode != 0
    told = cloud.work / "build" / "images" / "hot_path.json"
    whole = told.read_text()
    told.write_text("{}")
    done, calls = cloud.run("templates")
    told.write_text(whole)
    assert done.returncode != 0
    assert "hot_path" not in calls[-1][4]


def test_launches_see_a_template_after_its_canary(cloud):
    done, calls = cloud.run("promote")
    assert done.returncode == 0, done.stderr
    assert calls == [
        ["gcloud", "storage", "cp", f"{TEMPLATES}/{COMMIT}/{name}.json", f"{TEMPLATES}/{name}.json"]
        for name in BUILD.pipelines
    ]
