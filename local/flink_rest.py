"""What a Flink cluster says of itself, asked over its REST interface."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from local.errors import ServiceError
from local.flink_config import HOST

__all__ = ["Checkpoints", "FlinkRest", "checkpoints_of"]

_TIMEOUT_SECONDS = 5.0
_ENDED = ("FINISHED", "FAILED", "CANCELED")


class Checkpoints(NamedTuple):
    """How many checkpoints a job has completed, how many failed, and how often it was restored."""

    completed: int
    failed: int
    restored: int


def checkpoints_of(answer: Mapping[str, Any]) -> Checkpoints:
    """Return the counts of an answer to `/jobs/ID/checkpoints`; zeros before there are any.

    >>> checkpoints_of({"counts": {"completed": 3, "failed": 0, "restored": 1}})
    Checkpoints(completed=3, failed=0, restored=1)
    """
    counts = answer.get("counts") or {}
    return Checkpoints(*(int(counts.get(name, 0)) for name in Checkpoints._fields))


@dataclass(frozen=True)
class FlinkRest:
    """The REST interface at a port of this machine."""

    port: int

    def task_managers(self) -> set[str]:
        """Return the names of those that are registered; none while nobody answers."""
        answer = self._asked("/taskmanagers")
        return {each["id"] for each in answer.get("taskmanagers", [])}

    def jobs(self) -> dict[str, str]:
        """Return the status of each job by its id, such as RUNNING or FINISHED."""
        return {each["id"]: each["status"] for each in self._asked("/jobs").get("jobs", [])}

    def running_job(self) -> str | None:
        """Return the id of a job that has not ended, None where there is none."""
        return next((job for job, status in self.jobs().items() if status not in _ENDED), None)

    def checkpoints(self, job: str) -> Checkpoints:
        """Return how far the checkpoints of a job are."""
        return checkpoints_of(self._asked(f"/jobs/{job}/checkpoints"))

    def all_running(self, job: str) -> bool:
        """Say whether every part of a job is at work."""
        vertices = self._asked(f"/jobs/{job}").get("vertices", [])
        return bool(vertices) and all(each["status"] == "RUNNING" for each in vertices)

    def exceptions(self, job: str) -> str:
        """Return the first line of what a job failed of, empty where it has not."""
        text = str(self._asked(f"/jobs/{job}/exceptions").get("root-exception") or "")
        return text.partition("\n")[0]

    def cancel(self, job: str) -> None:
        """Ask a job to end as it is.

        Raises:
            ServiceError: nobody answers.
        """
        if self._request("PATCH", f"/jobs/{job}?mode=cancel") is None:
            msg = f"Flink's JobManager at {HOST}:{self.port} does not answer"
            raise ServiceError(msg)

    def _asked(self, path: str) -> dict[str, Any]:
        answer = self._request("GET", path)
        return json.loads(answer) if answer else {}

    def _request(self, method: str, path: str) -> bytes | None:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            return body if answer.status < http.HTTPStatus.BAD_REQUEST else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
