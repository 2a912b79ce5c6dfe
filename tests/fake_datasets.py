"""BigQuery's datasets and tables as a small HTTP server that does as production does.

Unlike the emulator it keeps keys, precisions and queries of views, changes a table by what a patch
names, and refuses one whose etag is old; `failures` answers requests otherwise.
"""

import contextlib
import copy
import http.server
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.http_server import served

__all__ = ["FakeDatasets", "serving"]

_PATH = re.compile(r"/bigquery/v2/projects/([^/]+)/datasets(?:/([^/]+)(?:/tables(?:/([^/]+))?)?)?")
_Answer = tuple[int, dict[str, Any]]


@dataclass
class FakeDatasets:
    """What is there: datasets by name, tables by `<dataset>.<name>`; `requests` were asked.

    `failures` maps a method and a part of the path to status, reason and message.
    """

    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[tuple[str, str], tuple[int, str, str]] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any, etag: str | None) -> _Answer:
        """Answer one request."""
        path = path.partition("?")[0]
        self.requests.append((method, path, body))
        for (failing, part), (status, reason, message) in self.failures.items():
            if failing == method and part in path:
                return _failure(status, reason, message)
        found = _PATH.match(path)
        assert found is not None
        _, dataset, table = found.groups()
        if "/tables" in path:
            return self._table(
                method, f"{dataset}.{table or body['tableReference']['tableId']}", body, etag
            )
        return self._dataset(method, dataset or body["datasetReference"]["datasetId"], body)

    def changes(self) -> list[tuple[str, str, Any]]:
        """Return the requests that asked for more than a look."""
        return [each for each in self.requests if each[0] != "GET"]

    def _dataset(self, method: str, name: str, body: Any) -> _Answer:
        if method == "POST":
            self.datasets[name] = {"location": "US", **body}
        if name not in self.datasets:
            return _failure(404, "notFound", f"Not found: Dataset my-project:{name}")
        return 200, self.datasets[name]

    def _table(self, method: str, name: str, body: Any, etag: str | None) -> _Answer:
        if method == "POST":
            if name in self.tables:
                return _failure(409, "duplicate", f"Already Exists: Table {name}")
            kind = "VIEW" if "view" in body else "TABLE"
            self.tables[name] = {"type": kind, "etag": "1", **copy.deepcopy(body)}
        if name not in self.tables:
            return _failure(404, "notFound", f"Not found: Table my-project:{name}")
        if method == "PATCH":
            there = self.tables[name]
            if etag is not None and etag != there["etag"]:
                return _failure(412, "conditionNotMet", "Precondition Failed")
            there.update(body, etag=str(int(there["etag"]) + 1))
        return 200, self.tables[name]


def _failure(status: int, reason: str, message: str) -> _Answer:
    told = {"reason": reason, "message": message, "domain": "global"}
    return status, {"error": {"code": status, "message": message, "errors": [told]}}


@contextlib.contextmanager
def serving(fake: FakeDatasets) -> Iterator[str]:
    """Serve a fake on a free port while the block lasts; give its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: in two the second waits for an acknowledgement.
        wbufsize = -1

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, told = fake.answer(self.command, self.path, body, self.headers.get("If-Match"))
            answer = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = _do

        def log_message(self, *_: object) -> None:
            pass

    with served(Handler) as address:
        yield address
