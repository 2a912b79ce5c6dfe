"""A connection that can be slow, half open or cut: forwards a loopback port to another."""

import contextlib
import socket
import threading
import time

from local.processes import StartsAndStops

__all__ = ["Wire"]

_CHUNK = 65_536
_BACKLOG = 64


class Wire(StartsAndStops):
    """Forwards every connection to a service, while the block lasts; new ones are let through.

    `address` is where it listens. `met` counts how often a fault met what was sent: a fault that
    met nothing was none.

    Args:
        target: HOST:PORT of the service.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._cut = False
        self._delay = 0.0
        self._flows = threading.Event()
        self._flows.set()
        self.met = 0
        self._server = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"

    def _start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Close the port and break every connection."""
        # Closing alone does not wake a thread that accepts.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.mend()
        self._break()

    def slow(self, seconds: float) -> None:
        """Keep whatever is sent, in either direction, for so long."""
        self._delay = seconds

    def freeze(self) -> None:
        """Forward nothing and keep every connection: both ends believe that it stands."""
        self._flows.clear()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._cut = True
        self._break()

    def mend(self) -> None:
        """End all faults. Connections that were half open are broken then, as they are in time."""
        frozen = not self._flows.is_set()
        if frozen:
            self._break()
        self._delay, self._cut = 0.0, False
        self._flows.set()

    def _break(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        self.met += len(pairs)
        for end in (end for pair in pairs for end in pair):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if self._cut:
                    self.met += 1
                    near.close()
                    continue
                with contextlib.suppress(ConnectionRefusedError):
                    self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        far = socket.create_connection(self._target)
        with self._lock:
            self._pairs.add((near, far))
        for ends in ((near, far), (far, near)):
            threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._hold()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _hold(self) -> None:
        if self._delay:
            self.met += 1
            time.sleep(self._delay)
        if not self._flows.is_set():
            self.met += 1
            self._flows.wait()
