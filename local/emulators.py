"""What each local service is: its command, its variable, and the question that shows it is up."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.binaries import BIGTABLE, PUBSUB, java_pubsub
from local.errors import MissingServiceError
from local.probes import (
    answers_bigquery,
    answers_bigtable,
    answers_expansion,
    answers_pubsub,
    answers_storage,
)
from local.pubsub_kind import Capability, PubsubKind, chosen_kind
from local.toolchains import expansion_jar, go_command, java_command, python_environment

__all__ = [
    "BIGQUERY_SERVICE",
    "BIGTABLE_SERVICE",
    "EXPANSION_SERVICE",
    "STORAGE_SERVICE",
    "Service",
    "obtainable_kind",
    "pubsub_service",
]

Environ = Mapping[str, str]

_STORAGE_GUARD = Path(__file__).with_name("gcs_guard.py")
_BIGQUERY_GUARD = Path(__file__).with_name("bigquery_guard.py")


@dataclass(frozen=True)
class Service:
    """A service that can be started.

    Args:
        name: as logs and errors call it.
        variable: environment variable by which the Google clients find it.
        command: makes the command from host, port, a folder for its data and the environment; it
            may build the program first.
        answers: says whether an address answers.
        scheme: stands before the address in the variable.
    """

    name: str
    variable: str
    command: Callable[[str, int, Path, Environ], list[str]]
    answers: Callable[[str], bool]
    scheme: str = ""


def _bigtable(host: str, port: int, _data: Path, environ: Environ) -> list[str]:
    return [str(BIGTABLE.obtain(environ)), "-host", host, "-port", str(port)]


def _go_pubsub(_host: str, port: int, _data: Path, environ: Environ) -> list[str]:
    return [str(PUBSUB.obtain(environ)), "-port", str(port)]


def _java_pubsub(host: str, port: int, _data: Path, environ: Environ) -> list[str]:
    return [*java_pubsub(environ), f"--host={host}", f"--port={port}"]


def _storage(host: str, port: int, data: Path, environ: Environ) -> list[str]:
    # Isolated mode: neither this folder nor PYTHONPATH may shadow the emulator's modules.
    python = str(python_environment("gcs", environ))
    return [python, "-I", str(_STORAGE_GUARD), str(data), host, str(port)]


def _bigquery(host: str, port: int, data: Path, environ: Environ) -> list[str]:
    python = str(python_environment("bigquery", environ))
    return [python, "-I", str(_BIGQUERY_GUARD), str(data), host, str(port)]


def _expansion(_host: str, port: int, data: Path, environ: Environ) -> list[str]:
    java, jar = java_command(environ), str(expansion_jar(environ))
    # Expanded graphs are looked at and never run: of the 180 MB that workers would need the launch
    # would keep a copy for each table.
    nothing = data / "nothing.jar"
    nothing.touch()
    # It lives for seconds, in which the better compiler would only compile.
    return [java, "-XX:TieredStopAtLevel=1", "-jar", jar, str(port), f"--filesToStage={nothing}"]


BIGQUERY_SERVICE = Service(
    "bigquery", "BIGQUERY_EMULATOR_HOST", _bigquery, answers_bigquery, scheme="http://"
)
BIGTABLE_SERVICE = Service("bigtable", "BIGTABLE_EMULATOR_HOST", _bigtable, answers_bigtable)
EXPANSION_SERVICE = Service(
    "expansion", "PENSTOCK_EXPANSION_SERVICE", _expansion, answers_expansion
)
STORAGE_SERVICE = Service(
    "storage", "STORAGE_EMULATOR_HOST", _storage, answers_storage, scheme="http://"
)


def obtainable_kind(needs: Collection[Capability], environ: Environ) -> PubsubKind:
    """Return the Pub/Sub emulator to start: the chosen one, or Java's where there can be no Go.

    Raises:
        ServiceError: none can do what is needed, or what the settings name cannot be had.
    """
    chosen = chosen_kind(needs, environ)
    if chosen is PubsubKind.JAVA or PUBSUB.find(environ):
        return chosen
    try:
        go_command(environ)
    except MissingServiceError:
        if not PubsubKind.JAVA.capabilities.issuperset(needs):
            raise
        java_pubsub(environ)
        return PubsubKind.JAVA
    return chosen


def pubsub_service(kind: PubsubKind) -> Service:
    """Return the Pub/Sub service of a kind."""
    command = _go_pubsub if kind is PubsubKind.GO else _java_pubsub
    return Service(f"pubsub-{kind.value}", "PUBSUB_EMULATOR_HOST", command, answers_pubsub)
