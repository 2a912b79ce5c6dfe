"""The fixtures say loudly what could not be tested, and Prism runs under the guard."""

import os
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

ROOT = Path(__file__).parents[2]
CONFTEST = """
import local.binaries
from tests.conftest import *
local.binaries._USUAL_SDK_ROOTS = ()
"""
TESTS = """
import pytest
@pytest.mark.parametrize("pubsub_emulator", ["java"], indirect=True)
def test_official(pubsub_emulator):
    assert pubsub_emulator
def test_other():
    assert True
"""


def run_without_sdk(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(TESTS)
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": "/nowhere"}
    environ.pop("CLOUDSDK_ROOT_DIR", None)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={folder}"]
    return subprocess.run(
        [*command, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**environ, **settings},
    )


@pytest.mark.emulator
def test_without_the_official_pubsub_its_tests_are_named_as_not_run(tmp_path):
    ran = run_without_sdk(tmp_path)
    assert ran.returncode == pytest.ExitCode.OK
    assert "1 passed, 1 skipped" in ran.stdout
    assert "NOT TESTED on the official Pub/Sub emulator (1): in no Cloud SDK" in ran.stdout


@pytest.mark.emulator
def test_where_the_official_pubsub_is_required_its_absence_is_an_error(tmp_path):
    ran = run_without_sdk(tmp_path, PENSTOCK_REQUIRE_JAVA="1")
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 error" in ran.stdout
    assert "in no Cloud SDK" in ran.stdout


def test_prism_runs_a_pipeline_under_the_guard_of_the_network(prism_binary):
    options = PipelineOptions(
        ["--runner=PrismRunner", f"--prism_location={prism_binary}", "--environment_type=LOOPBACK"]
    )
    with beam.Pipeline(options=options) as pipeline:
        doubled = pipeline | beam.Create([1, 2, 3]) | beam.Map(lambda number: number * 2)
        assert_that(doubled, equal_to([2, 4, 6]))
