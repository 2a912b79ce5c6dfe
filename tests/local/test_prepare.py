"""One command finds or builds all that tests and demo need."""

from pathlib import Path

import pytest

from local import prepare as module
from local.errors import MissingServiceError, ServiceError
from local.prepare import prepare


@pytest.fixture
def machine(monkeypatch):
    """A machine that has everything."""
    for program in ("BIGTABLE", "PUBSUB"):
        monkeypatch.setattr(module, program, type("P", (), {"obtain": lambda _: Path("/p")})())
    monkeypatch.setattr(module, "python_environment", lambda name: Path("/python") / name)
    monkeypatch.setattr(module, "prism_binary", lambda: Path("/prism"))
    monkeypatch.setattr(module, "java_pubsub", lambda: ["java", "-jar", "/j.jar"])
    return monkeypatch


def missing(*_: object) -> None:
    msg = "install it"
    raise MissingServiceError(msg)


def test_it_says_where_each_of_them_is(machine):
    lines = []
    prepare(lines.append)
    assert lines == [
        "Bigtable emulator: /p",
        "Pub/Sub emulator: /p",
        "Cloud Storage emulator: /python/gcs",
        "Prism: /prism",
        "official Pub/Sub emulator: /j.jar",
    ]


def test_the_official_pubsub_is_optional_and_its_absence_is_said(machine):
    machine.setattr(module, "java_pubsub", missing)
    lines = []
    prepare(lines.append)
    assert lines[-1] == "not here, and optional: official Pub/Sub emulator: install it"


def test_anything_else_is_needed(machine):
    machine.setattr(module, "prism_binary", missing)
    with pytest.raises(ServiceError, match="install it"):
        prepare([].append)


def test_the_command_fails_in_one_line(machine, capsys):
    machine.setattr(module, "prism_binary", missing)
    assert module.main() == 1
    assert capsys.readouterr().err == "install it\n"
