"""Dataflow's API as a small HTTP server: jobs that are launched, found by name, and come to run."""

import contextlib
import http.server
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_server import served

__all__ = ["Answer", "FakeDataflow", "serving"]

ENDED = {"JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_UPDATED"}
_PLACE = r"/v1b3/projects/([^/]+)/locations/([^/]+)"


@dataclass
class Answer:
    """What is answered in place of the usual; `applied` says whether it is done all the same.

    `body` is sent as it is, with status 200 a half answer; status 0 closes the connection.
    """

    status: int
    message: str = "told by the fake"
    applied: bool = False
    body: bytes | None = None


@dataclass
class FakeDataflow:
    """Jobs by id. `launches`, `reads`: answers to the next requests, before the usual ones.

    `messages` are those of each job, None: they may not be read. `states` are those that a new job
    has one after the other, each time that it is asked for. `unlisted`: so many lists know no job.
    """

    launches: list[Answer] = field(default_factory=list)
    reads: list[Answer] = field(default_factory=list)
    states: list[str] = field(default_factory=lambda: ["JOB_STATE_QUEUED", "JOB_STATE_RUNNING"])
    messages: list[str] | None = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    unlisted: int = 0

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)
        self._states: dict[str, list[str]] = {}

    def put(self, name: str, **fields: Any) -> str:
        """Add a job that is there; return its id."""
        job_id = f"2026-01-05_{next(self._ids)}"
        self.jobs[job_id] = {
            "id": job_id,
            "name": name,
            "currentState": "JOB_STATE_RUNNING",
            **fields,
        }
        return job_id

    def launch(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Launch a job: one of a name, unless it is an update."""
        asked = body["launchParameter"]
        active = [
            job
            for job in self.jobs.values()
            if job["name"] == asked["jobName"] and job["currentState"] not in ENDED
        ]
        if active and not asked.get("update"):
            message = f"There is already an active job named {asked['jobName']}."
            return 409, {"error": {"code": 409, "message": message, "status": "ALREADY_EXISTS"}}
        labels = asked["environment"]["additionalUserLabels"]
        job_id = self.put(asked["jobName"], labels=labels, currentState=self.states[0])
        self._states[job_id] = list(self.states[1:])
        return 200, {"job": {"id": job_id, "name": asked["jobName"]}}

    def job(self, job_id: str) -> tuple[int, dict[str, Any]]:
        """Return a job, which is one state further the next time."""
        if job_id not in self.jobs:
            return 404, {"error": {"code": 404, "message": f"job {job_id} not found"}}
        answer = dict(self.jobs[job_id])
        if following := self._states.get(job_id):
            self.jobs[job_id]["currentState"] = following.pop(0)
        return 200, answer

    def listed(self, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """List jobs as the service does: without labels, environment and options."""
        if self.unlisted:
            self.unlisted -= 1
            return 200, {}
        active = "ACTIVE" in str(query.get("filter", [""])[0]) or query.get("filter") == ["3"]
        assert active, query
        found = [
            {key: job[key] for key in ("id", "name", "currentState")}
            for job in self.jobs.values()
            if job["currentState"] not in ENDED and query["name"] == [job["name"]]
        ]
        return 200, {"jobs": found}

    def get(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Answer what is asked for by GET."""
        if re.fullmatch(f"{_PLACE}/jobs", path):
            return self.listed(query)
        if found := re.fullmatch(f"{_PLACE}/jobs/([^/]+)/messages", path):
            if self.messages is None:
                return 403, {"error": {"code": 403, "message": "no messages"}}
            return 200, {"jobMessages": [{"messageText": text} for text in self.messages]}
        found = re.fullmatch(f"{_PLACE}/jobs/([^/]+)", path)
        return self.job(found[3]) if found else (404, {})


@contextlib.contextmanager
def serving(fake: FakeDataflow) -> Iterator[str]:
    """Serve on a loopback port while the block lasts; yields the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert re.fullmatch(f"{_PLACE}/flexTemplates:launch", urlsplit(self.path).path)
            fake.requests.append(body)
            self._answer(fake.launches, lambda: fake.launch(body))

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self._answer(fake.reads, lambda: fake.get(url.path, parse_qs(url.query)))

        def _answer(self, script: list[Answer], usual: Any) -> None:
            if not script:
                self._send(*usual())
                return
            answer = script.pop(0)
            if answer.applied:
                usual()
            if answer.status == 0:
                self.close_connection = True
                self.connection.close()
                return
            error = {"error": {"code": answer.status, "message": answer.message}}
            self._send(answer.status, error if answer.body is None else answer.body)

        def _send(self, status: int, body: Any) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with served(Handler) as address:
        yield address
