"""A proxy before an HTTP service that answers some requests itself, or keeps answers back."""

import contextlib
import http.client
import http.server
import itertools
import json
from collections.abc import Callable, Collection, Iterator

from tests.http_server import served

__all__ = ["LOST", "proxied"]

LOST = -1
"""The request reaches the service and its answer nobody."""

_KEPT = ("content-type", "content-length")


@contextlib.contextmanager
def proxied(
    address: str,
    answer: Callable[[int, str], int | None],
    methods: Collection[str] = ("POST",),
) -> Iterator[str]:
    """Serve on a loopback port while the block lasts; yields the address.

    Args:
        address: `HOST:PORT` of the service.
        answer: of the number of a request and its path: None lets it through, `LOST` loses its
            answer, and any status is answered without asking the service. The path of a new job of
            BigQuery ends with the job's id, as that of a look at it does.
        methods: which requests are numbered and answered; all others are let through.
    """
    numbers = itertools.count()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = self.command in methods
            wanted = answer(next(numbers), _named(self.path, body)) if asked else None
            if wanted is not None and wanted != LOST:
                self._reply(wanted, b'{"error":{"code":%d,"errors":[]}}' % wanted)
                return
            status, content = self._forward(body)
            if wanted == LOST:
                self.close_connection = True
                return
            self._reply(status, content)

        do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _pass

        def _forward(self, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(address, timeout=60)
            headers = {name: self.headers[name] for name in _KEPT if self.headers[name]}
            with contextlib.closing(connection):
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                return response.status, response.read()

        def _reply(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with served(Handler) as own:
        yield own


def _named(path: str, body: bytes) -> str:
    resource = path.partition("?")[0]
    if not resource.endswith("/jobs"):
        return resource
    return f"{resource}/{json.loads(body).get('jobReference', {}).get('jobId', '')}"
