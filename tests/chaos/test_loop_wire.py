import contextlib
import socket
import threading
import time

import pytest

from chaos.loop_wire import Wire


@pytest.fixture
def echo():
    """Serve on a loopback port and answer what was sent; yields HOST:PORT."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(100):
                connection.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def _connect(wire: Wire) -> socket.socket:
    host, _, port = wire.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=0.2)


def _said(connection: socket.socket, data: bytes = b"x") -> bytes:
    connection.sendall(data)
    return connection.recv(100)


def test_a_wire_passes_what_is_sent_and_slowly_where_it_is_to(echo):
    with Wire(echo) as wire, _connect(wire) as connection:
        assert _said(connection) == b"x"
        wire.slow(0.05)
        begun = time.monotonic()
        assert _said(connection, b"y") == b"y"
        assert time.monotonic() - begun >= 0.1
        assert wire.met == 2


def test_a_half_open_connection_stands_and_says_nothing_until_it_is_broken(echo):
    with Wire(echo) as wire, _connect(wire) as connection:
        assert _said(connection) == b"x"
        wire.freeze()
        connection.sendall(b"y")
        with pytest.raises(TimeoutError):
            connection.recv(100)
        wire.mend()
        with contextlib.suppress(ConnectionError):
            assert connection.recv(100) == b""
        with _connect(wire) as another:
            assert _said(another) == b"x"


def test_cut_connections_break_and_new_ones_are_refused_until_it_is_mended(echo):
    with Wire(echo) as wire, _connect(wire) as connection:
        assert _said(connection) == b"x"
        wire.cut()
        with contextlib.suppress(ConnectionError):
            assert connection.recv(100) == b""
        with contextlib.suppress(ConnectionError), _connect(wire) as another:
            assert another.recv(100) == b""
        wire.mend()
        with _connect(wire) as another:
            assert _said(another) == b"x"
