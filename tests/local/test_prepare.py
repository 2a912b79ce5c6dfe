"""One command finds or builds all that tests and demo need."""

from pathlib import Path

import pytest

from local import prepare as module
from local.errors import MissingServiceError, ServiceError
from local.prepare import prepare


class Program:
    """A program that is here, or is built when it is asked for."""

    def __init__(self, path: str, *, here: bool = True) -> None:
        self._path, self._here = Path(path), here

    def find(self) -> Path | None:
        return self._path if self._here else None

    def obtain(self) -> Path:
        return self._path


@pytest.fixture
def machine(monkeypatch):
    """A machine that has everything."""
    for name in ("BIGTABLE", "PUBSUB", "PRISM"):
        monkeypatch.setattr(module, name, Program(f"/{name.lower()}"))
    monkeypatch.setattr(module, "python_environment", lambda name: Path("/python") / name)
    monkeypatch.setattr(module, "built_expansion_jar", lambda: Path("/expansion.jar"))
    monkeypatch.setattr(module, "expansion_jar", lambda: Path("/expansion.jar"))
    monkeypatch.setattr(module, "java_pubsub", lambda: ["java", "-jar", "/j.jar"])
    return monkeypatch


def missing(*_: object) -> None:
    msg = "install it"
    raise MissingServiceError(msg)


def test_it_says_where_each_of_them_is(machine):
    lines = []
    prepare(lines.append)
    assert lines == [
        "Bigtable emulator: /bigtable",
        "Pub/Sub emulator: /pubsub",
        "Prism: /prism",
        "Cloud Storage emulator: /python/gcs",
        "BigQuery emulator: /python/bigquery",
        "Beam's expansion service: /expansion.jar",
        "official Pub/Sub emulator: /j.jar",
    ]


def test_what_must_be_built_is_announced(machine):
    machine.setattr(module, "PRISM", Program("/prism", here=False))
    lines = []
    prepare(lines.append)
    assert lines[2:4] == ["Prism: is built, once; this takes a minute or two", "Prism: /prism"]


def test_the_expansion_service_is_announced_and_its_absence_is_said(machine):
    machine.setattr(module, "built_expansion_jar", lambda: None)
    lines = []
    prepare(lines.append)
    assert lines[5:7] == [
        "Beam's expansion service: is built, once; this takes a minute or two",
        "Beam's expansion service: /expansion.jar",
    ]
    machine.setattr(module, "expansion_jar", missing)
    prepare(lines.append)
    assert lines[-2] == (
        "not here, and needed for the tests of the Storage Write API and Kafka only: install it"
    )


def test_the_official_pubsub_is_optional_and_its_absence_is_said(machine):
    machine.setattr(module, "java_pubsub", missing)
    lines = []
    prepare(lines.append)
    assert lines[-1] == "not here, and optional: official Pub/Sub emulator: install it"


def test_anything_else_is_needed(machine):
    machine.setattr(module, "python_environment", missing)
    with pytest.raises(ServiceError, match="install it"):
        prepare([].append)


def test_the_command_fails_in_one_line(machine, capsys):
    machine.setattr(module, "python_environment", missing)
    assert module.main() == 1
    assert capsys.readouterr().err == "install it\n"


def test_without_a_python_for_bigquery_the_rest_is_prepared(machine):
    def environment(name: str) -> Path:
        return missing() if name == "bigquery" else Path("/python") / name

    machine.setattr(module, "python_environment", environment)
    lines = []
    prepare(lines.append)
    assert "Cloud Storage emulator: /python/gcs" in lines
    assert "not here, and needed for BigQuery only: install it" in lines
