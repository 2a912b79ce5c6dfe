"""The Pub/Sub emulator that is started is one that can be had here."""

from pathlib import Path

import pytest

from local import emulators
from local.emulators import obtainable_kind
from local.errors import MissingServiceError, ServiceError
from local.pubsub_kind import Capability, PubsubKind


def absent(*_: object) -> None:
    msg = "not here"
    raise MissingServiceError(msg)


class Absent:
    """A program that is nowhere."""

    def find(self, _environ: object) -> None:
        return None


@pytest.fixture
def without_go(monkeypatch):
    """A machine without Go and without what Go builds, but with the official emulator."""
    monkeypatch.setattr(emulators, "PUBSUB", Absent())
    monkeypatch.setattr(emulators, "go_command", absent)
    monkeypatch.setattr(emulators, "java_pubsub", lambda _: ["java"])
    return monkeypatch


def test_where_there_is_go_it_is_the_quick_one(without_go):
    without_go.setattr(emulators, "go_command", lambda _: Path("/go"))
    assert obtainable_kind((), {}) is PubsubKind.GO


def test_where_there_can_be_no_go_it_is_the_official_one(without_go):
    assert obtainable_kind((), {}) is PubsubKind.JAVA
    assert obtainable_kind([Capability.ORDERING], {}) is PubsubKind.JAVA


def test_where_neither_can_be_had_the_error_says_so(without_go):
    without_go.setattr(emulators, "java_pubsub", absent)
    with pytest.raises(ServiceError, match="not here"):
        obtainable_kind((), {})


def test_what_only_the_quick_one_can_do_is_not_left_to_the_other(without_go):
    with pytest.raises(MissingServiceError):
        obtainable_kind([Capability.FILTER], {})


def test_what_the_user_named_is_taken(without_go):
    assert obtainable_kind((), {"PENSTOCK_PUBSUB_EMULATOR": "java"}) is PubsubKind.JAVA
