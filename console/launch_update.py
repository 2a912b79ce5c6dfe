"""Whether a running job can be replaced in place, looked at before Dataflow is asked."""

from collections.abc import Callable, Mapping
from typing import Any

from google.cloud.dataflow_v1beta3.types import Job, JobState
from google.protobuf.json_format import MessageToDict

from console.graph_diff import Graph, compare, graph_of
from console.graph_files import read_graph
from console.launch_api import DataflowApi, LaunchError, state_of
from console.launch_graph import built_graph

__all__ = ["IncompatibleError", "checked_mapping", "running_job", "staged_graph"]

_RUNNING = JobState.JOB_STATE_RUNNING
_RUNBOOK = "docs/runbooks/drain_and_update.md"


class IncompatibleError(LaunchError):
    """The job cannot be updated; `reasons` are lines for a person."""

    def __init__(self, message: str, reasons: list[str]) -> None:
        super().__init__(message)
        self.reasons = reasons


def running_job(api: DataflowApi, name: str) -> Job:
    """Return the one running job of a name.

    Raises:
        LaunchError: there is none, or another one is on its way or in the way.
    """
    there = api.active(name)
    running = [job for job in there if state_of(job) == _RUNNING]
    if len(there) == 1 and running:
        return running[0]
    if not there:
        msg = f"job {name}: none is running in {api.region}; launch it without --update"
        raise LaunchError(msg)
    shown = ", ".join(f"{job.id} ({state_of(job).name})" for job in there)
    msg = f"job {name}: {shown}; an update needs one that runs, and no other: wait, then try again"
    raise LaunchError(msg)


def staged_graph(job: Job) -> Graph:
    """Return the graph that a running job was launched with, where its launch has staged it.

    Raises:
        LaunchError: the job does not name it, or it cannot be read.
    """
    told: dict[str, Any] = MessageToDict(type(job).pb(job).environment.sdk_pipeline_options)
    options = told.get("options")
    url = options.get("pipelineUrl") if isinstance(options, dict) else None
    remedy = "name the graph of its release: --old_graph=FILE"
    if not isinstance(url, str) or not url.startswith("gs://"):
        msg = f"job {job.id} does not name its graph; {remedy}"
        raise LaunchError(msg)
    try:
        return read_graph(url)
    except ValueError as error:
        msg = f"job {job.id}: {error}; or {remedy}"
        raise LaunchError(msg) from None


def checked_mapping(
    pipeline: str, parameters: Mapping[str, str], old: Graph, tell: Callable[[str], None]
) -> dict[str, str]:
    """Compare the running job's graph with today's; return the labels that moved, new by old.

    Raises:
        IncompatibleError: state would be lost or misread.
        ValueError: today's graph cannot be built, in the words of the launch.
    """
    comparison = compare(old, graph_of(built_graph(pipeline, parameters)))
    for note in comparison.notes:
        tell(note)
    if comparison.verdict == "incompatible":
        msg = f"{pipeline}: this graph cannot take over; drain the job, launch anew: {_RUNBOOK}"
        raise IncompatibleError(msg, comparison.reasons)
    moved = f": {len(comparison.mapping)} labels moved" if comparison.mapping else ""
    tell(f"graphs: {comparison.verdict}{moved}")
    return dict(comparison.mapping)
