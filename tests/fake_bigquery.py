"""BigQuery's insertAll as a small HTTP server that answers by a script and keeps what it takes."""

import contextlib
import http.server
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.http_server import served

__all__ = ["FakeBigQuery", "Status", "invalid", "serving"]

Script = Callable[["FakeBigQuery", list[dict[str, Any]]], "Status | dict[int, dict[str, str]]"]


@dataclass
class Status:
    """An answer for a whole request; `applied` says whether its rows are kept all the same.

    Status 0 closes the connection; `delay` is slept before anything is answered.
    """

    code: int
    reason: str = ""
    applied: bool = False
    delay: float = 0.0


def invalid(location: str = "", message: str = "no such field: x.") -> dict[str, str]:
    """Return the error of one row that BigQuery blames."""
    return {"reason": "invalid", "location": location, "message": message}


def _all_good(_fake: "FakeBigQuery", _rows: list[dict[str, Any]]) -> dict[int, dict[str, str]]:
    return {}


@dataclass
class FakeBigQuery:
    """Rows by their insert id; what is sent again under its id is one row.

    `script` gives a `Status`, or the errors by position, for the rows of a request.
    """

    script: Script = _all_good
    kind: str = "TABLE"
    rows: dict[str, list[Any]] = field(default_factory=dict)
    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def insert(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer a request; status 0 is none."""
        given = json.loads(body)["rows"]
        self.requests.append(given)
        self.sizes.append(len(body))
        answer = self.script(self, given)
        if isinstance(answer, Status):
            if answer.applied:
                self._keep(given)
            time.sleep(answer.delay)
            told = {"code": answer.code, "message": "x", "errors": [{"reason": answer.reason}]}
            return answer.code, {"error": told}
        if any("penstock_probe" in row["json"] for row in given):
            answer = {0: invalid("penstock_probe")}
        self._keep([row for place, row in enumerate(given) if place not in answer])
        errors = [{"index": place, "errors": [error]} for place, error in answer.items()]
        return 200, {"insertErrors": errors} if errors else {}

    def _keep(self, given: list[dict[str, Any]]) -> None:
        for row in given:
            self.rows.setdefault(row["insertId"], []).append(row["json"])


@contextlib.contextmanager
def serving(fake: FakeBigQuery) -> Iterator[str]:
    """Serve on a loopback port while the block lasts; yields the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._answer(*fake.insert(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self) -> None:
            missing = {"error": {"code": 404, "message": "x", "errors": [{"reason": "notFound"}]}}
            self._answer(*((200, {"type": fake.kind}) if fake.kind else (404, missing)))

        def _answer(self, code: int, answer: dict[str, Any]) -> None:
            if not code:
                self.close_connection = True
                return
            body = json.dumps(answer).encode()
            with contextlib.suppress(OSError):
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with served(Handler) as address:
        yield address
