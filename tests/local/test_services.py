"""The local services start, answer, are found by their variables and leave nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local import emulators
from local.probes import answers_bigquery, answers_bigtable, answers_pubsub, answers_storage
from local.services import (
    ALL,
    PROJECT,
    Capability,
    LocalServices,
    MissingServiceError,
    PubsubKind,
    ServiceError,
    exported,
    serve_until_interrupted,
)
from tests.conftest import OUTSIDE, excuse_optional
from tests.local.test_processes import alive, within

ROOT = Path(__file__).parents[2]
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
UP = """
from local.services import serve_until_interrupted
serve_until_interrupted(lambda line: print(line, flush=True))
"""


@pytest.fixture
def environ():
    """The settings of this process without services that already run."""
    return {name: value for name, value in OUTSIDE.items() if not name.endswith("EMULATOR_HOST")}


@pytest.fixture
def fake(monkeypatch):
    """Put a command of one's own in the place of the Cloud Storage emulator."""

    def put(*command: str) -> None:
        def make(_host: str, port: int, *_: object) -> list[str]:
            return [word.replace("PORT", str(port)) for word in command]

        service = emulators.Service(
            "storage", "STORAGE_EMULATOR_HOST", make, answers_storage, "http://"
        )
        monkeypatch.setattr("local.services.STORAGE_SERVICE", service)

    return put


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    own = [child for child, parent in pairs if parent == pid]
    return own + [grandchild for child in own for grandchild in children(child)]


def services_of(pid: int) -> list[int]:
    """Return guardians and services, and not the `ps` that found them."""
    return [child for child in children(pid) if alive(child)]


def test_a_service_is_up_in_the_block_and_gone_after_it(fake, tmp_path, environ):
    fake(sys.executable, "-c", SERVER, "PORT")
    with LocalServices(["storage"], logs=tmp_path / "the logs", environ=environ) as services:
        address = services.addresses["storage"]
        assert answers_storage(address)
        assert services.variables == {
            "STORAGE_EMULATOR_HOST": f"http://{address}",
            "GOOGLE_CLOUD_PROJECT": PROJECT,
        }
        services.check()
    assert not answers_storage(address)
    assert (tmp_path / "the logs" / "storage.log").exists()


def test_an_error_in_the_block_stops_the_services(fake, tmp_path, environ):
    fake(sys.executable, "-c", SERVER, "PORT")
    services = LocalServices(["storage"], logs=tmp_path, environ=environ)
    with pytest.raises(ZeroDivisionError), services:
        1 / 0  # noqa: B018
    assert not answers_storage(services.addresses["storage"])


def test_a_service_that_ends_at_once_says_its_last_words(fake, tmp_path, environ):
    fake("sh", "-c", "echo starting; echo 'cannot open the data folder' >&2; exit 1")
    with pytest.raises(ServiceError) as raised:
        LocalServices(["storage"], logs=tmp_path, environ=environ).__enter__()
    log = tmp_path / "storage.log"
    assert str(raised.value) == f"storage ended at once: cannot open the data folder (log: {log})"


def test_a_service_that_does_not_answer_is_given_up_and_stopped(fake, tmp_path, environ):
    fake("sh", "-c", "echo $$; exec sleep 60")
    gives_up = r"^storage did not answer within 0\.3 s: \d+ \(log: .*\)$"
    with pytest.raises(ServiceError, match=gives_up):
        LocalServices(["storage"], logs=tmp_path, environ=environ, patience=0.3).__enter__()
    assert not alive(int((tmp_path / "storage.log").read_text()))


def test_when_one_service_fails_the_others_are_stopped(fake, tmp_path, environ, monkeypatch):
    fake(sys.executable, "-c", SERVER, "PORT")

    def broken(*_: object) -> list[str]:
        return ["sh", "-c", "echo broken; exit 1"]

    service = emulators.Service("bigtable", "BIGTABLE_EMULATOR_HOST", broken, answers_bigtable)
    monkeypatch.setattr("local.services.BIGTABLE_SERVICE", service)
    services = LocalServices(["storage", "bigtable"], logs=tmp_path, environ=environ)
    with pytest.raises(ServiceError, match="bigtable ended at once: broken"):
        services.__enter__()
    assert not answers_storage(services.addresses["storage"])


def test_a_port_that_somebody_else_took_is_changed(fake, tmp_path, environ, monkeypatch):
    fake(sys.executable, "-c", SERVER, "PORT")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = iter([taken.getsockname()[1]])
        free = socket.create_server(("127.0.0.1", 0))
        free_port = free.getsockname()[1]
        free.close()
        monkeypatch.setattr("local.services.free_port", lambda: next(ports, free_port))
        with LocalServices(["storage"], logs=tmp_path, environ=environ) as services:
            assert services.addresses["storage"] == f"127.0.0.1:{free_port}"


def test_a_service_that_dies_later_is_noticed(fake, tmp_path, environ):
    fake(sys.executable, "-c", SERVER, "PORT")
    with LocalServices(["storage"], logs=tmp_path, environ=environ) as services:
        os.kill(services._running["storage"].pid, signal.SIGTERM)
        assert within(5, services._running["storage"].ended)
        with pytest.raises(ServiceError, match="storage has ended"):
            services.check()


def test_a_service_that_runs_already_is_used_and_not_stopped(fake, tmp_path, environ):
    fake(sys.executable, "-c", SERVER, "PORT")
    with LocalServices(["storage"], logs=tmp_path / "first", environ=environ) as first:
        given = {**environ, **first.variables}
        with LocalServices(["storage"], logs=tmp_path / "second", environ=given) as second:
            assert second.addresses == first.addresses
            assert not second._running
        assert answers_storage(first.addresses["storage"])


def test_a_given_address_where_nobody_answers_is_named(tmp_path, environ):
    environ["STORAGE_EMULATOR_HOST"] = "http://127.0.0.1:1"
    with pytest.raises(ServiceError, match=r"^STORAGE_EMULATOR_HOST=127.0.0.1:1 did not answer"):
        LocalServices(["storage"], logs=tmp_path, environ=environ, patience=0.1).__enter__()


@pytest.mark.parametrize("name", ALL)
def test_a_given_address_outside_this_machine_is_refused(name, tmp_path, environ):
    variable = f"{name.upper()}_EMULATOR_HOST"
    environ[variable] = "192.0.2.1:8085"
    with pytest.raises(ServiceError, match=f"^{variable}=192.0.2.1:8085 is not on this machine"):
        LocalServices([name], logs=tmp_path, environ=environ).__enter__()


def test_an_unknown_service_is_refused():
    with pytest.raises(ServiceError, match="spanner: no such local service; there are bigtable, "):
        LocalServices(["spanner"])


def test_exported_variables_are_put_back(monkeypatch):
    monkeypatch.setenv("PENSTOCK_A", "before")
    monkeypatch.delenv("PENSTOCK_B", raising=False)
    with exported({"PENSTOCK_A": "x", "PENSTOCK_B": "y"}):
        assert (os.environ["PENSTOCK_A"], os.environ["PENSTOCK_B"]) == ("x", "y")
    assert os.environ["PENSTOCK_A"] == "before"
    assert "PENSTOCK_B" not in os.environ


def test_nothing_answers_where_nobody_listens():
    assert not answers_bigtable("127.0.0.1:1")
    assert not answers_pubsub("127.0.0.1:1")
    assert not answers_storage("127.0.0.1:1")
    assert not answers_bigquery("127.0.0.1:1")


def test_data_that_is_given_a_folder_stays_there(fake, tmp_path, environ):
    fake(sys.executable, "-c", SERVER, "PORT")
    data = tmp_path / "data"
    with LocalServices(["storage"], logs=tmp_path / "logs", data=data, environ=environ):
        (data / "kept").write_text("")
    assert (data / "kept").exists()


def test_serving_prints_what_to_export_and_ends_when_a_service_does(fake, tmp_path, environ):
    fake(sys.executable, "-c", SERVER, "PORT")
    services, lines = LocalServices(["storage"], logs=tmp_path, environ=environ), []

    def end_it(line: str) -> None:
        lines.append(line)
        os.kill(services._running["storage"].pid, signal.SIGTERM)

    with pytest.raises(ServiceError, match="storage has ended"):
        serve_until_interrupted(end_it, services)
    address = services.addresses["storage"]
    assert lines == [
        f"export STORAGE_EMULATOR_HOST=http://{address}",
        f"export GOOGLE_CLOUD_PROJECT={PROJECT}",
    ]


@pytest.mark.emulator
@pytest.mark.parametrize("kind", list(PubsubKind))
def test_all_services_start_answer_and_end(kind, tmp_path, environ):
    try:
        with LocalServices(pubsub=kind, logs=tmp_path, environ=environ) as services:
            bigtable, pubsub, storage = services.addresses.values()
            assert answers_bigtable(bigtable)
            assert answers_pubsub(pubsub)
            assert answers_storage(storage)
    except MissingServiceError as error:
        excuse_optional(kind, error)
        raise
    assert not answers_bigtable(bigtable)
    assert not answers_pubsub(pubsub)
    assert not answers_storage(storage)


@pytest.mark.emulator
def test_bigquery_starts_answers_and_ends_beside_storage(tmp_path, environ):
    with LocalServices(["storage", "bigquery"], logs=tmp_path, environ=environ) as services:
        address = services.addresses["bigquery"]
        assert answers_bigquery(address)
        assert services.variables["BIGQUERY_EMULATOR_HOST"] == f"http://{address}"
    assert not answers_bigquery(address)


@pytest.mark.emulator
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_serving_ends_by_a_signal_and_leaves_no_process(number, environ):
    settings = {**environ, "PYTHONPATH": str(ROOT)}
    serving = subprocess.Popen(
        [sys.executable, "-c", UP],
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = [serving.stdout.readline() for _ in range(4)]
    assert all(line.startswith("export ") for line in lines)
    started = services_of(serving.pid)
    assert len(started) >= 6
    serving.send_signal(number)
    _, errors = serving.communicate(timeout=15)
    assert "Traceback" not in errors
    assert serving.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert within(10, lambda: not [pid for pid in started if alive(pid)])


@pytest.mark.emulator
def test_an_interrupt_while_the_services_start_leaves_no_process(environ):
    serving = subprocess.Popen(
        [sys.executable, "-c", UP],
        env={**environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert within(15, lambda: len(services_of(serving.pid)) >= 2)
    started = services_of(serving.pid)
    serving.send_signal(signal.SIGINT)
    _, errors = serving.communicate(timeout=15)
    assert "Traceback" not in errors
    assert serving.returncode == 0
    assert within(10, lambda: not [pid for pid in started if alive(pid)])


@pytest.mark.emulator
def test_serving_from_another_thread_works_too(tmp_path, environ):
    services, lines = LocalServices(["pubsub"], logs=tmp_path, environ=environ), []
    failures = []

    def serve() -> None:
        try:
            serve_until_interrupted(lines.append, services)
        except ServiceError as error:
            failures.append(str(error))

    thread = threading.Thread(target=serve)
    thread.start()
    assert within(15, lambda: len(lines) == 2)
    services._running["pubsub"].stop()
    thread.join(10)
    assert not thread.is_alive()
    assert "has ended" in failures[0]


def test_what_seeks_is_given_the_official_pubsub(environ):
    assert LocalServices(needs=[Capability.SEEK], environ=environ).pubsub is PubsubKind.JAVA
    assert LocalServices(environ=environ).pubsub is PubsubKind.GO
