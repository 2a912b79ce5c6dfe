"""What `penstock launch` does, step by step; nothing is sent before all of it has been checked."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from google.cloud.dataflow_v1beta3.types import LaunchFlexTemplateRequest

from console.launch_api import DataflowApi, LaunchError
from console.launch_environment import Environment, load_environment
from console.launch_parameters import (
    check_by_job,
    is_stream,
    parameters_of,
    template_of,
    templates,
    without_warm_start,
)
from console.launch_request import (
    as_update,
    launcher_arguments,
    request_json,
    request_of,
    with_image,
)
from console.launch_start import await_running, start

if TYPE_CHECKING:
    from console.graph_form import Graph

__all__ = ["Asked", "launch_job"]

_COVERS = "covers_from"
_SPAN = "warm_span"
_WARM_STEPS = "FollowArchive/"
_RUNBOOK = "docs/runbooks/drain_and_update.md"


@dataclass(frozen=True)
class Asked:
    """What a command line asks for; `wait` in seconds."""

    pipeline: str
    file: Path
    given: tuple[str, ...] = ()
    job_name: str = ""
    dry_run: bool = False
    update: bool = False
    old_graph: str = ""
    endpoint: str = ""
    wait: float = 900.0


def launch_job(
    asked: Asked,
    show: Callable[[str], None],
    tell: Callable[[str], None],
) -> None:
    """Check a launch, show its request, send it, and wait until its job runs.

    Args:
        asked: by the command line.
        show: is given the request as JSON.
        tell: is given what happens, line by line.

    Raises:
        ValueError: the file or the parameters are wrong.
        LaunchError: it was refused, failed, or is not known to run.
    """
    template_of(asked.pipeline)
    environment = load_environment(asked.file, templates())
    parameters = _parameters(asked, environment, tell)
    request = request_of(environment, asked.pipeline, parameters, asked.job_name)
    check_by_job(asked.pipeline, parameters, launcher_arguments(request))
    if asked.dry_run:
        _dry_run(asked, request, show, tell)
        return
    api = DataflowApi(environment.project, environment.region, asked.endpoint)
    if not request.launch_parameter.environment.sdk_container_image:
        with_image(request, _image(request.launch_parameter.container_spec_gcs_path))
    if asked.update:
        _prepare_update(asked, api, request, tell)
    show(request_json(request))
    job = start(api, request, tell)
    if asked.wait:
        await_running(api, job.id, asked.wait, tell)


def _parameters(
    asked: Asked, environment: Environment, tell: Callable[[str], None]
) -> dict[str, str]:
    parameters = parameters_of(environment, asked.pipeline, asked.given)
    if not asked.update:
        return parameters
    if not is_stream(parameters):
        msg = f"--update: {asked.pipeline} reads no subscription here, and ends; launch it anew"
        raise ValueError(msg)
    # A span of the file was that of the first start; a job that covered less would lose to it.
    if any(item.partition("=")[0] == _SPAN for item in asked.given):
        return parameters
    kept = without_warm_start(parameters)
    if left := ", ".join(sorted(set(parameters) - set(kept))):
        tell(f"left out, since an update keeps the state of its job: {left}")
    known = {each["name"] for each in template_of(asked.pipeline)["parameters"]}
    if _COVERS in known - set(kept):
        tell(f"{_COVERS} is unset, so tiles that are open now are withheld; --set {_COVERS}=TIME")
    return kept


def _dry_run(
    asked: Asked,
    request: LaunchFlexTemplateRequest,
    show: Callable[[str], None],
    tell: Callable[[str], None],
) -> None:
    """Show a request that is as the launch would make it, as far as that is known without asking.

    The id of the job that is replaced is not; it is in the label of the launch alone.
    """
    if asked.update:
        mapping = _mapping_of_file(asked, request, tell)
        as_update(request, "", mapping)
    if not request.launch_parameter.environment.sdk_container_image:
        tell("the image of the workers is that of the template, which the launch reads")
    show(request_json(request))
    tell("nothing was sent: --dry_run")


def _mapping_of_file(
    asked: Asked, request: LaunchFlexTemplateRequest, tell: Callable[[str], None]
) -> dict[str, str]:
    from console.graph_files import read_graph  # noqa: PLC0415

    if not asked.old_graph:
        tell("the graph of the running job is not looked at; --old_graph=FILE names one that is")
        return {}
    return _mapping(asked, request, read_graph(asked.old_graph), tell)


def _prepare_update(
    asked: Asked,
    api: DataflowApi,
    request: LaunchFlexTemplateRequest,
    tell: Callable[[str], None],
) -> None:
    # By the call, as above: the launch of a new job needs no graph.
    from console.graph_files import read_graph  # noqa: PLC0415
    from console.launch_update import running_job, staged_graph  # noqa: PLC0415

    running = running_job(api, request.launch_parameter.job_name)
    tell(f"job {running.name} runs as {running.id}")
    old = read_graph(asked.old_graph) if asked.old_graph else staged_graph(running)
    as_update(request, running.id, _mapping(asked, request, old, tell))


def _mapping(
    asked: Asked, request: LaunchFlexTemplateRequest, old: "Graph", tell: Callable[[str], None]
) -> dict[str, str]:
    from console.launch_update import IncompatibleError, checked_mapping  # noqa: PLC0415

    parameters = dict(request.launch_parameter.parameters)
    try:
        return checked_mapping(asked.pipeline, parameters, old, tell)
    except IncompatibleError as error:
        for reason in error.reasons:
            tell(reason)
        if any(reason.startswith(_WARM_STEPS) for reason in error.reasons):
            tell(f"the running job was started warm; when that is over: --set {_SPAN}=, {_RUNBOOK}")
        raise


def _image(spec: str) -> str:
    """Return the image that the file of a template names: launcher and workers have one."""
    from schemas.credentials import require_credentials  # noqa: PLC0415
    from transforms.object_store import ObjectStoreError, read_object  # noqa: PLC0415

    require_credentials(f"template {spec}")
    try:
        data = read_object(spec)
        image = json.loads(data)["image"] if data else None
    except ObjectStoreError as error:
        raise LaunchError(str(error)) from None
    except (ValueError, KeyError, TypeError):
        image = None
    if not isinstance(image, str) or not image:
        msg = f"template {spec}: no file of a flex template is there; build it, or name another"
        raise LaunchError(msg)
    return image
