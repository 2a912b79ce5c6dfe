"""Starts one job, and never a second one; then waits until it runs."""

from collections.abc import Callable, Iterable

from google.api_core.exceptions import Conflict
from google.cloud.dataflow_v1beta3.types import Job, JobState, LaunchFlexTemplateRequest

from console.launch_api import DataflowApi, LaunchError, TransientError, state_of
from console.launch_request import LAUNCH_LABEL

__all__ = ["StillStartingError", "await_running", "start"]

_PAUSES = (2.0, 4.0, 8.0, 16.0)
_POLL = 10.0
_GOOD = {JobState.JOB_STATE_RUNNING: "runs", JobState.JOB_STATE_DONE: "has ended, and is done"}
_ENDED = {
    JobState.JOB_STATE_FAILED,
    JobState.JOB_STATE_CANCELLED,
    JobState.JOB_STATE_CANCELLING,
    JobState.JOB_STATE_DRAINING,
    JobState.JOB_STATE_DRAINED,
    JobState.JOB_STATE_STOPPED,
    JobState.JOB_STATE_UPDATED,
}


class StillStartingError(LaunchError):
    """A job has neither run nor failed within the time that was given to it."""


def start(api: DataflowApi, request: LaunchFlexTemplateRequest, tell: Callable[[str], None]) -> Job:
    """Launch a job and return it; the job that the same request has launched is returned too.

    Where an active job has the name nothing is sent, but to update it. A launch whose answer was
    lost may have been made, so before another try the active jobs of the name are looked at again:
    the one with the label of this request is the one that was asked for. Dataflow itself refuses a
    second job of a name (409).

    Raises:
        LaunchError: it was refused; a job of that name was launched by another request; or Dataflow
            does not answer.
    """
    name, update = request.launch_parameter.job_name, request.launch_parameter.update
    # Dataflow may also answer with the job that is there as if it had been made.
    if not update and (there := api.active(name)):
        return _own_alone(there, request, tell)
    for pause in (*_PAUSES, 0.0):
        try:
            job = api.launch(request)
        except Conflict:
            return _conflicting(api, request, tell)
        except TransientError as error:
            failure = error
        else:
            tell(f"job {name} is launched as {job.id}")
            return job
        if found := _own(api.active(name), request, tell):
            return found
        api.sleep(pause)
    msg = f"{str(failure).removesuffix('; try again')}; try again: it will not be started twice"
    raise LaunchError(msg)


def await_running(
    api: DataflowApi, job_id: str, seconds: float, tell: Callable[[str], None]
) -> None:
    """Wait until a job runs; each of its states is told once.

    Raises:
        StillStartingError: it has not come to run within `seconds`.
        LaunchError: it failed, was cancelled, drained or replaced; the line names why.
    """
    end = api.now() + seconds
    told: JobState | None = None
    while True:
        state = _state(api, job_id)
        if state in _GOOD:
            tell(f"job {job_id} {_GOOD[state]}: {_page(api, job_id)}")
            return
        if state is not None and state in _ENDED:
            msg = f"job {job_id} is {_word(state)}: {_reason(api, job_id)}"
            raise LaunchError(msg)
        if state is not None and state is not told:
            tell(f"job {job_id} is {_word(state)}")
            told = state
        left = end - api.now()
        if left <= 0:
            word = "not answered for" if state is None else _word(state)
            msg = f"job {job_id} is {word} after {seconds:g} s; see {_page(api, job_id)}"
            raise StillStartingError(msg)
        api.sleep(min(_POLL, left))


def _state(api: DataflowApi, job_id: str) -> JobState | None:
    try:
        return api.state(job_id)
    except TransientError:
        # It is asked again as long as there is time.
        return None


def _reason(api: DataflowApi, job_id: str) -> str:
    try:
        reason = api.last_error(job_id) or "it gave no reason"
    except LaunchError as error:
        reason = str(error)
    return f"{reason}; see {_page(api, job_id)}"


def _conflicting(
    api: DataflowApi, request: LaunchFlexTemplateRequest, tell: Callable[[str], None]
) -> Job:
    """Return the job that is in the way, if it is the one that was asked for."""
    name = request.launch_parameter.job_name
    there: list[Job] = []
    for pause in _PAUSES:
        # One that was made a moment ago may not be listed yet.
        if there := api.active(name):
            break
        api.sleep(pause)
    return _own_alone(there, request, tell)


def _own_alone(
    there: Iterable[Job], request: LaunchFlexTemplateRequest, tell: Callable[[str], None]
) -> Job:
    """Return the job that was asked for, of those that have its name."""
    if found := _own(there, request, tell):
        return found
    asked = request.launch_parameter
    shown = "; ".join(f"{job.id}, {_word(state_of(job))}" for job in there) or "it is not listed"
    remedy = "--update replaces it, or drain it first: gcloud dataflow jobs drain"
    if asked.update:
        remedy = "look at what became of that one, then try again"
    msg = f"job {asked.job_name} was launched by another request ({shown}): {remedy}"
    raise LaunchError(msg)


def _own(
    jobs: Iterable[Job], request: LaunchFlexTemplateRequest, tell: Callable[[str], None]
) -> Job | None:
    for job in jobs:
        if job.labels.get(LAUNCH_LABEL) == _label(request):
            tell(f"job {job.name} is there as {job.id}, launched by this very request")
            return job
    return None


def _label(request: LaunchFlexTemplateRequest) -> str:
    return str(request.launch_parameter.environment.additional_user_labels[LAUNCH_LABEL])


def _word(state: JobState) -> str:
    return str(state.name).removeprefix("JOB_STATE_").lower().replace("_", " ")


def _page(api: DataflowApi, job_id: str) -> str:
    place = f"{api.region}/{job_id}?project={api.project}"
    return f"https://console.cloud.google.com/dataflow/jobs/{place}"
