"""A small HTTP server on loopback for the time of a block: what fakes and proxies stand on."""

import contextlib
import http.server
import threading
from collections.abc import Iterator

__all__ = ["served"]


@contextlib.contextmanager
def served(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Let a handler answer while the block lasts; yields the address, `http://HOST:PORT`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
