"""The guard fires for everything that would leave the machine, and for nothing else."""

import asyncio
import contextlib
import http.client
import os
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.auth.credentials import AnonymousCredentials
from google.pubsub_v1 import PublisherClient

from tests.network_guard import OutsideConnectionError, guard

# Reserved for documentation: no packet to it would ever be answered.
OUTSIDE = "192.0.2.1"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def attempts():
    yield guard.take
    guard.take()


def test_a_socket_that_connects_outside_is_refused_and_noted(attempts):
    with socket.socket() as client, pytest.raises(OutsideConnectionError):
        client.connect((OUTSIDE, 443))
    assert attempts() == [OUTSIDE]


def test_an_attempt_that_the_code_swallows_is_noted_all_the_same(attempts):
    with socket.socket() as client, contextlib.suppress(OSError):
        client.connect_ex((OUTSIDE, 443))
    assert attempts() == [OUTSIDE]


def test_a_datagram_to_the_outside_is_refused(attempts):
    with socket.socket(type=socket.SOCK_DGRAM) as client, pytest.raises(OutsideConnectionError):
        client.sendto(b"x", (OUTSIDE, 53))
    assert attempts() == [OUTSIDE]


def test_a_name_is_not_even_looked_up(attempts):
    connection = http.client.HTTPConnection("storage.googleapis.com")
    with pytest.raises(OutsideConnectionError):
        connection.request("GET", "/")
    assert attempts() == ["storage.googleapis.com"]


def test_an_asynchronous_connection_is_refused(attempts):
    with pytest.raises(OutsideConnectionError):
        asyncio.run(asyncio.open_connection(OUTSIDE, 443))
    assert attempts() == [OUTSIDE]


@pytest.mark.parametrize(
    "target",
    [
        "pubsub.googleapis.com:443",
        "dns:///pubsub.googleapis.com:443",
        "pubsub.googleapis.com",
        "ipv4:192.0.2.1:443",
        "[2001:db8::1]:443",
    ],
)
def test_a_channel_of_grpc_to_the_outside_is_refused(attempts, target):
    with pytest.raises(OutsideConnectionError):
        grpc.insecure_channel(target)
    with pytest.raises(OutsideConnectionError):
        grpc.secure_channel(target, grpc.ssl_channel_credentials())
    with pytest.raises(OutsideConnectionError):
        grpc.aio.insecure_channel(target)
    assert len(attempts()) == 3


@pytest.mark.parametrize(
    "target",
    ["localhost:1", "127.0.0.1:1", "[::1]:1", "ipv4:127.0.0.1:1", "unix:/a", "dns:///localhost:1"],
)
def test_a_channel_of_grpc_to_this_machine_is_left_alone(attempts, target):
    grpc.insecure_channel(target).close()
    assert attempts() == []


def test_the_clients_of_google_run_into_the_guard_without_an_emulator(attempts, monkeypatch):
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    with pytest.raises(OutsideConnectionError):
        PublisherClient(credentials=AnonymousCredentials())
    assert attempts() == ["pubsub.googleapis.com"]


def test_a_child_process_that_asks_for_the_outside_is_noted(attempts):
    code = "import urllib.request as r; r.urlopen('http://storage.googleapis.com/x', timeout=5)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert child.returncode != 0
    assert attempts() == ["GET http://storage.googleapis.com/x HTTP/1.1 (by a child process)"]


def test_what_stays_on_this_machine_is_left_alone(attempts):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
    socket.getaddrinfo(socket.gethostname(), 0)
    first, second = socket.socketpair()
    first.close()
    second.close()
    assert attempts() == []


def test_a_test_that_swallowed_its_attempt_fails(tmp_path):
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_quiet.py").write_text(
        "import socket\n"
        "def test_quiet():\n"
        "    try:\n"
        f"        socket.create_connection(({OUTSIDE!r}, 443))\n"
        "    except OSError:\n"
        "        pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    ran = subprocess.run(
        [*command, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED
    assert f"left the loopback device: {OUTSIDE}" in ran.stdout
    assert "1 failed" in ran.stdout
