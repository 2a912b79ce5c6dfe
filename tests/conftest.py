"""What tests share: the local services, Prism, the guard of the network, and Hypothesis' settings.

Beam and the Google clients are imported by the fixtures that need them: most tests do not, and
would wait for seconds.
"""

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import hypothesis
import pytest
from objsize import traverse

from chaos.fork_server import ForkServer
from local.binaries import prism_binary as obtain_prism
from local.pubsub_kind import chosen_kind
from local.services import (
    PROJECT,
    Capability,
    LocalServices,
    MissingServiceError,
    PubsubKind,
    exported,
)
from tests import remembered_beam
from tests.forked_jobs import forking
from tests.network_guard import guard

if TYPE_CHECKING:
    from local.resources import (
        BigQueryEmulator,
        BigtableEmulator,
        PubsubEmulator,
        StorageEmulator,
    )

# Without chance the same examples come at each run, so more of them would find nothing more later;
# the profile `dev` looks for others.
hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, print_blob=True, max_examples=50
)
hypothesis.settings.register_profile("dev", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

_EMULATORS = {
    "bigquery_emulator",
    "bigtable_emulator",
    "expansion_service",
    "gcs_emulator",
    "pubsub_emulator",
}

_REMEMBERS = pytest.StashKey[bool]()

# Building and finding must see the network settings of the user, not the guard's.
OUTSIDE = dict(os.environ)


def pytest_configure(config: pytest.Config) -> None:
    """Turn the guard of the network on for the whole run."""
    if config.option.dist != "no":
        # This process only hands out tests. Were it guarded, its workers would take the settings of
        # the guard for the user's.
        return
    # What is collected is no garbage, and to look for it there is a fifth of the time.
    gc.disable()
    on = ExitStack()
    on.enter_context(guard.on())
    # The workers of the engines in this process measure each write of state, and for that go
    # through the globals of all modules, of which a test run has thousands: half of the time.
    on.enter_context(mock.patch.object(traverse, "_iter_modules_globals", tuple))
    config.add_cleanup(on.close)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that ask for a service, so that the unit tests are those that do not."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        if asked & _EMULATORS:
            item.add_marker("emulator")
        if "prism_binary" in asked:
            item.add_marker("prism")
        if not item.get_closest_marker("xdist_group") and _shares_with_its_module(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def _shares_with_its_module(item: pytest.Item) -> bool:
    """Say whether a fixture is made once for its file; each worker would make one of its own."""
    known = getattr(item, "_fixtureinfo", None)
    fixtures = known.name2fixturedefs.values() if known else ()
    return any(found[-1].scope == "module" for found in fixtures if found)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for no doctests: tests have none, and looking takes seconds of each worker."""
    found = yield
    return [each for each in found if type(each) is pytest.Module]


def pytest_collection_finish() -> None:
    """Look for garbage again, but not in what stays until the end."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Fail the fixtures of a test that reach for anything but this machine."""
    if remembered_beam.is_imported() and not item.config.stash.get(_REMEMBERS, False):
        item.config.stash[_REMEMBERS] = True
        item.config.add_cleanup(remembered_beam.remembering().close)
    with _loopback_only():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Fail a test that reaches for anything but this machine."""
    with _loopback_only():
        yield


@contextmanager
def _loopback_only() -> Iterator[None]:
    try:
        yield
    finally:
        if attempts := guard.take():
            pytest.fail(f"left the loopback device: {', '.join(attempts)}", pytrace=False)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., LocalServices]]:
    """Give a function that starts a service once and keeps it until the session's end."""
    started: dict[str, LocalServices] = {}
    # One for all: BigQuery loads the objects of Cloud Storage.
    data = tmp_path_factory.mktemp("data")
    with ExitStack() as stack:

        def start(name: str, kind: PubsubKind = PubsubKind.GO) -> LocalServices:
            key = f"{name}-{kind.value}"
            if key not in started:
                logs: Path = tmp_path_factory.mktemp(key)
                services = LocalServices(
                    [name], pubsub=kind, logs=logs, data=data, environ=_settings(kind)
                )
                started[key] = stack.enter_context(services)
                stack.enter_context(_anonymous())
            return started[key]

        yield start


@pytest.fixture(scope="session")
def bigtable_emulator(running: Callable[..., LocalServices]) -> "Iterator[BigtableEmulator]":
    """Give the Bigtable emulator; its variable is set while the fixture lives."""
    from local.resources import BigtableEmulator  # noqa: PLC0415

    services = running("bigtable")
    with exported(services.variables):
        yield BigtableEmulator(services.addresses["bigtable"])


@pytest.fixture(scope="session")
def bigquery_emulator(running: Callable[..., LocalServices]) -> "Iterator[BigQueryEmulator]":
    """Give the BigQuery emulator; its variable is set while the fixture lives.

    It loads what the Cloud Storage emulator of `gcs_emulator` keeps. Where there is no Python that
    is new enough for it, its tests are skipped, and the summary says so loudly.
    """
    try:
        services = running("bigquery")
    except MissingServiceError as error:
        pytest.skip(f"MISSING BigQuery: {error}")
    from local.resources import BigQueryEmulator  # noqa: PLC0415

    with exported(services.variables):
        yield BigQueryEmulator(services.addresses["bigquery"])


@pytest.fixture(scope="session")
def expansion_service(running: Callable[..., LocalServices]) -> str:
    """Give the address of Beam's expansion service; without Java or Maven its tests fail."""
    try:
        return running("expansion").addresses["expansion"]
    except MissingServiceError as error:
        return pytest.fail(f"NOT TESTED, the Storage Write API and Kafka: {error}", pytrace=False)


@pytest.fixture(scope="session")
def gcs_emulator(running: Callable[..., LocalServices]) -> "Iterator[StorageEmulator]":
    """Give the Cloud Storage emulator; its variable is set while the fixture lives."""
    from local.resources import StorageEmulator  # noqa: PLC0415

    services = running("storage")
    with exported(services.variables):
        yield StorageEmulator(services.addresses["storage"])


@pytest.fixture(scope="session")
def pubsub_emulator(
    request: pytest.FixtureRequest, running: Callable[..., LocalServices]
) -> "Iterator[PubsubEmulator]":
    """Give a Pub/Sub emulator; its variable is set while the fixture lives.

    By default the one that PENSTOCK_PUBSUB_EMULATOR names. A test asks for another by
    `@pytest.mark.parametrize("pubsub_emulator", ["go", "java"], indirect=True)`, or by what it
    needs: `[Capability.SEEK]`.
    """
    kind = _asked_kind(getattr(request, "param", None))
    try:
        services = running("pubsub", kind)
    except MissingServiceError as error:
        excuse_optional(kind, error)
        raise
    from local.resources import PubsubEmulator  # noqa: PLC0415

    with exported(services.variables):
        yield PubsubEmulator(services.addresses["pubsub"], kind)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Give a process that has imported Beam, for `forked_jobs`."""
    with ForkServer("tests.forked_jobs") as server:
        yield server


@pytest.fixture
def forked_jobs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the jobs that this test starts as processes begin with Beam imported.

    Only Linux forks what has loaded so many libraries without harm; elsewhere they start as ever.
    """
    if sys.platform != "linux":
        yield
        return
    with forking(request.getfixturevalue("fork_server")):
        yield


@pytest.fixture(scope="session")
def prism_binary() -> Path:
    """Give the path of Prism."""
    return obtain_prism(OUTSIDE)


def _settings(kind: PubsubKind) -> dict[str, str]:
    """Return the user's settings; a Pub/Sub that runs already is of the kind they name."""
    unwanted = "" if kind is chosen_kind((), OUTSIDE) else "PUBSUB_EMULATOR_HOST"
    return {name: value for name, value in OUTSIDE.items() if name != unwanted}


def _anonymous() -> AbstractContextManager[None]:
    from local.credentials import anonymous_credentials  # noqa: PLC0415

    return anonymous_credentials(PROJECT)


def _asked_kind(asked: object) -> PubsubKind:
    if asked is None or isinstance(asked, Capability):
        return chosen_kind([asked] if asked else [], OUTSIDE)
    return PubsubKind(asked)


def excuse_optional(kind: PubsubKind, error: Exception) -> None:
    """Skip where the official emulator cannot be had, and have the summary say so loudly.

    It is part of the Cloud SDK alone; everything else is built, so its absence fails the test.
    """
    if kind is PubsubKind.JAVA and not os.environ.get("PENSTOCK_REQUIRE_JAVA"):
        pytest.skip(f"MISSING: {error}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what could not be tested; with xdist the reports carry it here."""
    skipped = terminalreporter.stats.get("skipped", [])
    for report in [each for each in skipped if "MISSING BigQuery: " in str(each.longrepr)][:1]:
        reason = str(report.longrepr[2]).partition("MISSING BigQuery: ")[2]
        terminalreporter.write_line(f"NOT TESTED on BigQuery: {reason}", red=True, bold=True)
    missing = [report for report in skipped if "MISSING: " in str(report.longrepr)]
    if missing:
        reason = str(missing[0].longrepr[2]).partition("MISSING: ")[2]
        line = f"NOT TESTED on the official Pub/Sub emulator ({len(missing)}): {reason}"
        terminalreporter.write_line(line, red=True, bold=True)
