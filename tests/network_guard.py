"""Fails a test that reaches for anything but the loopback device.

Three nets: an audit hook sees every socket that Python opens, wherever the function was imported
from; gRPC's channels, whose sockets are its own, are checked by their target; and child processes
find in their environment a proxy on the loopback device that notes what they ask for and refuses.
"""

import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from unittest import mock

import grpc
import grpc.aio

from local.addresses import is_loopback
from local.services import exported

__all__ = ["NetworkGuard", "OutsideConnectionError", "guard"]

_NAMED = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0, "socket.gethostbyaddr": 0}
_ADDRESSED = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}
_NO_PROXY = "localhost,127.0.0.1,::1"


class OutsideConnectionError(OSError):
    """A connection that would have left this machine."""


class NetworkGuard:
    """Refuses and notes every attempt to leave the machine while it is on."""

    def __init__(self) -> None:
        self._attempts: list[str] = []
        self._on = threading.Event()
        self._own = {socket.gethostname(), "0.0.0.0", "::"}
        self._trap = _Trap(self._attempts)
        sys.addaudithook(self._audit)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Refuse while the block lasts; afterwards the attempts can be taken."""
        with ExitStack() as stack:
            for module in (grpc, grpc.aio):
                stack.enter_context(mock.patch.multiple(module, **self._channels(module)))
            stack.enter_context(exported(self._trap.variables))
            stack.callback(self._on.clear)
            self._on.set()
            yield

    def take(self) -> list[str]:
        """Return the attempts since the last call."""
        taken = list(self._attempts)
        del self._attempts[: len(taken)]
        return taken

    def refuse(self, host: str) -> None:
        """Note and refuse a host that is not the loopback device."""
        if host and not is_loopback(host) and host not in self._own:
            self._attempts.append(host)
            raise OutsideConnectionError(f"tests use the loopback device only, not {host}")

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if not event.startswith("socket.") or not self._on.is_set():
            return
        if event in _NAMED:
            self.refuse(_text(arguments[0]))
        elif event in _ADDRESSED:
            address = arguments[_ADDRESSED[event]]
            # A path is the address of a socket within this machine.
            if isinstance(address, tuple):
                self.refuse(_text(address[0]))

    def _channels(self, module: object) -> dict[str, object]:
        names = ("insecure_channel", "secure_channel")
        return {name: self._checked(getattr(module, name)) for name in names}

    def _checked(self, make: object) -> object:
        def channel(target: str, *rest: object, **named: object) -> object:
            self.refuse(_host_of_target(target))
            return make(target, *rest, **named)

        return channel


class _Trap:
    """A proxy that serves nobody."""

    def __init__(self, attempts: list[str]) -> None:
        self._attempts = attempts
        self._socket = socket.create_server(("127.0.0.1", 0))
        port = self._socket.getsockname()[1]
        names = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
        shown = dict.fromkeys(names, f"http://127.0.0.1:{port}")
        upper = {name.upper(): value for name, value in shown.items()}
        self.variables = {**shown, **upper, "no_proxy": _NO_PROXY, "NO_PROXY": _NO_PROXY}
        threading.Thread(target=self._serve, daemon=True, name="network-trap").start()

    def _serve(self) -> None:
        while True:
            client, _ = self._socket.accept()
            with client, suppress(OSError):
                client.settimeout(1)
                asked = client.recv(4096).split(b"\r\n")[0].decode(errors="replace")
                if asked:
                    self._attempts.append(f"{asked} (by a child process)")
                client.sendall(b"HTTP/1.1 403 Loopback only\r\nConnection: close\r\n\r\n")


def _text(host: object) -> str:
    return host.decode() if isinstance(host, bytes) else str(host or "")


def _host_of_target(target: str) -> str:
    """Return the host of a gRPC target, "" for one within this machine."""
    scheme, separator, rest = target.partition(":")
    if scheme in ("unix", "unix-abstract"):
        return ""
    if separator and scheme in ("dns", "ipv4", "ipv6", "passthrough", "xds"):
        target = rest.rpartition("/")[2]
    bracketed = re.fullmatch(r"\[(.*)\](?::\w+)?", target)
    if bracketed:
        return bracketed[1]
    return target if target.count(":") > 1 else target.partition(":")[0]


guard = NetworkGuard()
"""The one of this process: an audit hook cannot be taken away again."""
