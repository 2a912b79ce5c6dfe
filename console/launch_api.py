"""Dataflow's API as a launch needs it: every failure is one line with its remedy."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud import dataflow_v1beta3 as dataflow
from google.cloud.dataflow_v1beta3.types import Job, JobState, LaunchFlexTemplateRequest
from google.protobuf.json_format import ParseError

from local.addresses import is_loopback
from local.errors import ServiceError
from schemas.credentials import CredentialsError, require_credentials

__all__ = ["DataflowApi", "LaunchError", "TransientError", "state_of"]

_Result = TypeVar("_Result")

_SECONDS = 60.0
_PAUSES = (1.0, 2.0, 4.0, 8.0)
# The answer may be lost, half or of a service that is overloaded: it may come when asked again.
_TRANSIENT = (
    exceptions.ServerError,
    exceptions.TooManyRequests,
    requests.RequestException,
    TransportError,
    ParseError,
    UnicodeDecodeError,
)
_REMEDIES = {
    400: "correct what it names",
    401: "log in again: gcloud auth application-default login",
    403: "enable dataflow.googleapis.com, and grant roles/dataflow.developer in the project and"
    " roles/iam.serviceAccountUser on the workers' service account",
    404: "check project, region, and that the template's file is there",
}
_MESSAGES = 20
_PAGES = 100
_LONGEST = 500


class LaunchError(ServiceError):
    """A launch did not come to be, or is not known to: one line with the remedy."""


class TransientError(LaunchError):
    """Dataflow did not answer, or said that it cannot now; it may have done what was asked."""


class DataflowApi:
    """The jobs of one project and region.

    Args:
        project: its name.
        region: of the jobs.
        endpoint: of the service, by default Google's; on the loopback device without credentials.
        sleep: waits for some seconds.
        now: tells the seconds of a clock that never goes back.
    """

    def __init__(
        self,
        project: str,
        region: str,
        endpoint: str = "",
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.project, self.region = project, region
        self.sleep, self.now = sleep, now
        options = ClientOptions(api_endpoint=endpoint) if endpoint else None
        named = {
            "credentials": _credentials(project, endpoint),
            "client_options": options,
            "transport": "rest",
        }
        self._templates = dataflow.FlexTemplatesServiceClient(**named)
        self._jobs = dataflow.JobsV1Beta3Client(**named)
        self._messages = dataflow.MessagesV1Beta3Client(**named)

    def launch(self, request: LaunchFlexTemplateRequest) -> Job:
        """Send a launch, once.

        Raises:
            TransientError: it may have been made all the same.
            exceptions.Conflict: a job of that name is active.
            LaunchError: it was refused.
        """
        with _told("the launch", exceptions.Conflict):
            answer = self._templates.launch_flex_template(
                request=request, retry=None, timeout=_SECONDS
            )
        if not answer.job.id:
            msg = "the launch: Dataflow's answer names no job"
            raise TransientError(msg)
        return answer.job

    def active(self, name: str) -> list[Job]:
        """Return the active jobs of a name, with their labels and options."""
        asked = dataflow.ListJobsRequest(
            project_id=self.project,
            location=self.region,
            name=name,
            filter=dataflow.ListJobsRequest.Filter.ACTIVE,
        )
        listed = self._read(
            "the jobs",
            lambda: list(self._pages(asked)),
        )
        # Whether the service looked at the name is not relied on; a list has no labels, and may
        # name a job on two of its pages.
        ids = dict.fromkeys(each.id for each in listed if each.name == name)
        return [self.job(job_id) for job_id in ids]

    def _pages(self, asked: dataflow.ListJobsRequest) -> Iterator[Job]:
        """Read a list that may name the same next page for ever."""
        pager = self._jobs.list_jobs(request=asked, retry=None, timeout=_SECONDS)
        for page in islice(pager.pages, _PAGES):
            if not all(job.id for job in page.jobs):
                msg = "the jobs: Dataflow's answer names a job without its id; try again"
                raise TransientError(msg)
            yield from page.jobs

    def job(self, job_id: str) -> Job:
        """Return all that is known of a job."""
        view = dataflow.JobView.JOB_VIEW_ALL
        return self._read(f"job {job_id}", lambda: self._job(job_id, view))

    def state(self, job_id: str) -> JobState:
        """Return the state of a job, asked for once: whoever waits for it asks again."""
        with _told(f"job {job_id}"):
            return state_of(self._job(job_id, dataflow.JobView.JOB_VIEW_SUMMARY))

    def _job(self, job_id: str, view: dataflow.JobView) -> Job:
        asked = dataflow.GetJobRequest(
            project_id=self.project, location=self.region, job_id=job_id, view=view
        )
        return self._jobs.get_job(request=asked, retry=None, timeout=_SECONDS)

    def last_error(self, job_id: str) -> str:
        """Return what a job's messages tell of its failure last, empty where they tell nothing."""
        asked = dataflow.ListJobMessagesRequest(
            project_id=self.project,
            location=self.region,
            job_id=job_id,
            minimum_importance=dataflow.JobMessageImportance.JOB_MESSAGE_ERROR,
            page_size=_MESSAGES,
        )
        pager = self._read(
            f"the messages of job {job_id}",
            lambda: self._messages.list_job_messages(request=asked, retry=None, timeout=_SECONDS),
        )
        found = list(pager.job_messages)
        return _one_line(found[-1].message_text) if found else ""

    def _read(self, what: str, ask: Callable[[], _Result]) -> _Result:
        """Ask for what can be asked for any number of times."""
        for pause in _PAUSES:
            with suppress(TransientError), _told(what):
                return ask()
            self.sleep(pause)
        with _told(what):
            return ask()


def state_of(job: Job) -> JobState:
    """Return the state of a job; one that the client does not know yet is unknown."""
    try:
        return JobState(job.current_state)
    except ValueError:
        return JobState.JOB_STATE_UNKNOWN


@contextmanager
def _told(what: str, *kept: type[Exception]) -> Iterator[None]:
    """Tell a failure in one line, but for those that the caller wants to see."""
    try:
        yield
    except kept:
        raise
    except _TRANSIENT as error:
        msg = f"{what}: Dataflow did not answer as it should ({_answer(error)}); try again"
        raise TransientError(msg) from None
    except GoogleAuthError as error:
        msg = f"{what}: credentials are not taken ({_one_line(error)}); {_REMEDIES[401]}"
        raise LaunchError(msg) from None
    except exceptions.GoogleAPICallError as error:
        remedy = _REMEDIES.get(int(error.code or 0), "see what it says")
        msg = f"{what}: Dataflow says {error.code}: {_one_line(error.message)}; {remedy}"
        raise LaunchError(msg) from None


def _answer(error: Exception) -> str:
    if isinstance(error, exceptions.GoogleAPICallError):
        return f"{error.code}: {_one_line(error.message)}"
    # Its text tells of threads and addresses.
    return type(error).__name__


def _one_line(text: object) -> str:
    """Return a message of the service in a line; addresses of requests tell a person nothing."""
    line = re.sub(r"^(GET|POST) https?://\S+: ", "", " ".join(str(text).split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _credentials(project: str, endpoint: str) -> Credentials | None:
    address = urlsplit(endpoint)
    if endpoint and is_loopback(address.hostname or ""):
        return AnonymousCredentials()
    if endpoint and address.scheme != "https":
        msg = f"--dataflow_endpoint {endpoint}: write https://HOST, or http:// of this machine"
        raise ValueError(msg)
    try:
        require_credentials(f"project {project}", "")
    except CredentialsError:
        msg = f"project {project}: no credentials; run gcloud auth application-default login"
        raise LaunchError(msg) from None
    return None
