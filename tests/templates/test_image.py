"""What is in the image: the pinned packages, the suite, and nothing that only developers need."""

import re

import pytest

from local.write_templates import jobs
from tests.templates.dockerfile import ROOT, Dockerfile
from tests.templates.image import SEEDED, normal, shell

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("image")]

REQUIREMENTS = ROOT / "requirements"
# Of the base image, or the package of the suite itself.
OWN = SEEDED | {"penstock"}


def named(path):
    """Return the names in a file of requirements, without those that it includes."""
    lines = path.read_text().splitlines()
    return {normal(found[0]) for line in lines if (found := re.match(r"[A-Za-z0-9][\w.-]*", line))}


@pytest.fixture(scope="module")
def installed(image):
    return image.installed()


def test_what_is_installed_is_what_is_pinned(installed):
    # Some have a pin for each of several versions of Python.
    entries = re.findall(r"^([a-z0-9._-]+)[^=\n]*==([^ \\;]+)", _text("runtime.txt"), re.MULTILINE)
    pins = {(normal(name), version) for name, version in entries}
    assert len(pins) > 100
    found = {(name, version) for name, version in installed.items() if name not in OWN}
    assert found <= pins
    assert {name for name, _ in found} >= named(REQUIREMENTS / "runtime.in")


def test_packages_for_developers_are_not_in_it(installed):
    developers = named(REQUIREMENTS / "dev.in") - named(REQUIREMENTS / "runtime.txt") - SEEDED
    assert {"duckdb", "hypothesis", "mypy", "pytest", "pytest-xdist", "ruff"} <= developers
    assert not developers & set(installed)
    # The tool that installs is in a folder that the image does not get.
    assert "uv" not in installed


def test_the_suite_is_the_wheel_and_not_the_checkout(image, launched):
    site = image.python.parents[1] / "lib"
    assert launched.told["where"].startswith(str(site))
    (wheel,) = (image.template.parent / "build" / "dist").glob("*.whl")
    listed = shell(f"python -m zipfile -l {wheel}", image.template, image.environment)
    rooms = {line.split("/")[0].split()[0] for line in listed.splitlines()[1:]}
    assert {"schemas", "transforms", "pipelines", "templates"} <= rooms
    assert not rooms & {"tests", "benchmarks", "docs"}
    # The console reads them from where it is installed.
    files = {line.split()[0] for line in listed.splitlines()[1:]}
    assert files >= {f"templates/{name}/metadata.json" for name in jobs()}
    assert "templates/environment.example.yaml" in files


def test_the_last_commands_of_the_dockerfile_succeed(image):
    for command in Dockerfile.read().image().runs:
        shell(command, image.template, image.environment | {"PENSTOCK_PIPELINE": "archive_raw"})


@pytest.mark.parametrize("name", [f"pipelines.{name}" for name in jobs()])
def test_every_pipeline_runs_from_the_image(launched, name):
    told = launched.told["helps"][name]
    assert told["status"] == 0
    assert told["out"].startswith(f"usage: python -m {name} ")
    assert not told["err"]


def _text(name):
    return (REQUIREMENTS / name).read_text()
