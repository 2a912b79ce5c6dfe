"""Starts the local services, waits until they answer, and leaves nothing behind."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from local.addresses import given_address
from local.emulators import (
    BIGQUERY_SERVICE,
    BIGTABLE_SERVICE,
    EXPANSION_SERVICE,
    STORAGE_SERVICE,
    obtainable_kind,
    pubsub_service,
)
from local.errors import MissingServiceError, ServiceError
from local.processes import ServiceProcess, StartsAndStops, free_port
from local.pubsub_kind import Capability, PubsubKind, chosen_kind

__all__ = [
    "ALL",
    "PROJECT",
    "Capability",
    "LocalServices",
    "MissingServiceError",
    "PubsubKind",
    "ServiceError",
    "exported",
    "serve_until_interrupted",
]

PROJECT = "penstock-local"
"""The project that all local resources belong to."""

ALL = ("bigtable", "pubsub", "storage", "bigquery")
"""The names of all services."""

_HOST = "127.0.0.1"
_ATTEMPTS = 3


class LocalServices(StartsAndStops):
    """Runs Bigtable, Pub/Sub, Cloud Storage and BigQuery on loopback ports while the block lasts.

    A service whose `*_EMULATOR_HOST` is set already is used where it is, and not stopped. The
    others are stopped when the block ends, by an error or Ctrl-C too; if this process is killed,
    within a second. Logs stay in `logs`.

    Args:
        names: which of `bigtable`, `pubsub`, `storage`, `bigquery` and `expansion`; the last two
            are not started unless they are named, for they take seconds to start.
        needs: what the Pub/Sub emulator must be able to do.
        pubsub: that one and no other.
        logs: folder for logs, made if need be; by default a new one among the temporary files.
        data: folder for data, which stays; by default one in `logs` that is removed at the end.
            BigQuery loads the objects that Cloud Storage keeps in the same one.
        environ: settings, by default this process's.
        patience: seconds in which each must answer.

    Raises:
        ServiceError: one cannot be had, does not start or does not answer.
    """

    def __init__(
        self,
        names: Collection[str] = ALL[:3],
        *,
        needs: Collection[Capability] = (),
        pubsub: PubsubKind | None = None,
        logs: Path | None = None,
        data: Path | None = None,
        environ: Mapping[str, str] | None = None,
        patience: float = 60.0,
    ) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self.pubsub = pubsub or chosen_kind(needs, self._environ)
        self._needs = None if pubsub else frozenset(needs)
        known = {
            "bigtable": BIGTABLE_SERVICE,
            "pubsub": pubsub_service(self.pubsub),
            "storage": STORAGE_SERVICE,
            "bigquery": BIGQUERY_SERVICE,
            "expansion": EXPANSION_SERVICE,
        }
        if unknown := sorted(set(names) - set(known)):
            msg = f"{unknown[0]}: no such local service; there are {', '.join(known)}"
            raise ServiceError(msg)
        self.addresses: dict[str, str] = {}
        self._services = {name: known[name] for name in names}
        self._logs = logs
        self._given_data = data
        self._patience = patience
        self._running: dict[str, ServiceProcess] = {}

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        if self._logs is None:
            self._logs = Path(tempfile.mkdtemp(prefix="penstock-"))
        return self._logs

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which clients find the services."""
        hosts = {
            service.variable: service.scheme + self.addresses[name]
            for name, service in self._services.items()
        }
        return {**hosts, "GOOGLE_CLOUD_PROJECT": PROJECT}

    def stop(self) -> None:
        """Stop what was started here."""
        while self._running:
            self._running.popitem()[1].stop()
        if self._given_data is None:
            shutil.rmtree(self._data, ignore_errors=True)

    def check(self) -> None:
        """Raise a ServiceError if one of the services has ended by itself."""
        for name, process in self._running.items():
            if process.ended():
                raise self._failed(name, "has ended")

    @property
    def _data(self) -> Path:
        return self._given_data or self.logs / "data"

    def _start(self) -> None:
        for folder in (self.logs, self._data):
            folder.mkdir(parents=True, exist_ok=True)
        self._settle_pubsub()
        for name, service in self._services.items():
            if given := given_address(service.variable, self._environ):
                self.addresses[name] = given
            else:
                self._launch(name)
        for name in self._services:
            self._wait(name)

    def _settle_pubsub(self) -> None:
        service = self._services.get("pubsub")
        if service and self._needs is not None and not self._environ.get(service.variable):
            self.pubsub = obtainable_kind(self._needs, self._environ)
            self._services["pubsub"] = pubsub_service(self.pubsub)

    def _launch(self, name: str) -> None:
        service, port = self._services[name], free_port()
        command = service.command(_HOST, port, self._data, self._environ)
        log = self.logs / f"{service.name}.log"
        self._running[name] = ServiceProcess(command, log, self._environ)
        self.addresses[name] = f"{_HOST}:{port}"

    def _wait(self, name: str) -> None:
        until, attempts = time.monotonic() + self._patience, 1
        while not self._answers(name):
            process = self._running.get(name)
            if process and process.ended():
                # Between choosing a port and listening on it somebody else may have taken it.
                if attempts == _ATTEMPTS or "in use" not in process.log.read_text(errors="replace"):
                    raise self._failed(name, "ended at once")
                attempts += 1
                self._launch(name)
            elif time.monotonic() > until:
                raise self._failed(name, f"did not answer within {self._patience:g} s")
            time.sleep(0.02)

    def _answers(self, name: str) -> bool:
        process = self._running.get(name)
        ended = process is not None and process.ended()
        return not ended and self._services[name].answers(self.addresses[name])

    def _failed(self, name: str, what: str) -> ServiceError:
        service, process = self._services[name], self._running.get(name)
        if process is None:
            address = self.addresses[name]
            return ServiceError(
                f"{service.variable}={address} {what}; start it or unset the variable"
            )
        return ServiceError(f"{service.name} {what}: {process.last_words()} (log: {process.log})")


@contextmanager
def exported(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while the block lasts."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def serve_until_interrupted(
    print_line: Callable[[str], None], services: LocalServices | None = None
) -> None:
    """Run the services, print what to export, and return after Ctrl-C or SIGTERM.

    Raises:
        ServiceError: one cannot be had or does not start, or has ended by itself.
    """
    running = services or LocalServices()
    with suppress(KeyboardInterrupt), _termination_as_interrupt(), running:
        for name, value in running.variables.items():
            print_line(f"export {name}={value}")
        while True:
            running.check()
            time.sleep(0.2)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Make SIGTERM end the block as Ctrl-C does; only a main thread can ask for that."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
