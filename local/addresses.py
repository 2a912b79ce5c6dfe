"""Addresses of local services: `HOST:PORT` on the loopback device and nowhere else."""

import ipaddress
from collections.abc import Mapping

from local.errors import ServiceError

__all__ = ["given_address", "is_loopback", "split_address"]

_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, `[::1]:PORT` or the same behind `http://`.

    >>> split_address("http://127.0.0.1:9023"), split_address("[::1]:8085")
    (('127.0.0.1', 9023), ('::1', 8085))

    Raises:
        ValueError: it has another form.
    """
    host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        msg = f"{address!r} is not HOST:PORT"
        raise ValueError(msg)
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Say whether a host, as a name or a number, is this machine's loopback device.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("storage.googleapis.com")
    (True, True, False)
    """
    if host.lower() in _NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def given_address(variable: str, environ: Mapping[str, str]) -> str | None:
    """Return `HOST:PORT` of a service that already runs, None where the variable is unset.

    Raises:
        ServiceError: it is no address, or not a loopback one: tests and demo write and delete.
    """
    given = environ.get(variable)
    if not given:
        return None
    try:
        host, port = split_address(given)
    except ValueError as error:
        msg = f"{variable}: {error}; write such as 127.0.0.1:8085 or unset {variable}"
        raise ServiceError(msg) from None
    if not is_loopback(host):
        msg = f"{variable}={given} is not on this machine; name a loopback address or unset it"
        raise ServiceError(msg)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
