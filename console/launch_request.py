"""The request that makes a job of a template, in the types of Dataflow's own client."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping

from google.cloud.dataflow_v1beta3.types import (
    FlexTemplateRuntimeEnvironment,
    LaunchFlexTemplateParameter,
    LaunchFlexTemplateRequest,
    StreamingMode,
    WorkerIPAddressConfiguration,
)

from console.launch_environment import Environment, Workers
from console.launch_file import FileError
from console.launch_parameters import is_stream

__all__ = [
    "LAUNCH_LABEL",
    "as_update",
    "job_name",
    "launcher_arguments",
    "request_json",
    "request_of",
    "with_image",
]

LAUNCH_LABEL = "penstock-launch"
"""Tells by which request a job was launched."""

_IMAGE_OF_THE_TEMPLATE = "image-of-the-template"
_DIGITS = 16
_JOB_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST_NAME = 63


def job_name(environment: Environment, pipeline: str, parameters: Mapping[str, str]) -> str:
    """Return the name of a job, which is the key of it: Dataflow runs one of a name at a time.

    A stream has one name for good, as its update needs. A job that ends has the parameters in its
    name, in short: the same replay cannot run twice at a time, and two different ones can.
    """
    own = environment.workers_of(pipeline).job_name
    name = own or f"{environment.job_prefix}-{pipeline.replace('_', '-')}"
    return name if is_stream(parameters) else f"{name}-{_digest(dict(parameters))[:8]}"


def request_of(
    environment: Environment, pipeline: str, parameters: Mapping[str, str], name: str = ""
) -> LaunchFlexTemplateRequest:
    """Return the request of a new job.

    Args:
        environment: the file.
        pipeline: its name.
        parameters: checked.
        name: of the job; by default by rule.

    Raises:
        FileError: no template is named, or the name is none.
    """
    workers = environment.workers_of(pipeline)
    if workers.template is None:
        msg = "template: is missing; such as gs://my-bucket/templates/{pipeline}.json"
        raise FileError(msg)
    if name and not _JOB_NAME.fullmatch(name):
        msg = f"--job_name {name[:200]}: write small letters, digits and -, such as penstock-hot"
        raise FileError(msg)
    name = name or job_name(environment, pipeline, parameters)
    if len(name) > _LONGEST_NAME:
        msg = f"job {name}: longer than {_LONGEST_NAME}; shorten job_prefix, or job_name"
        raise FileError(msg)
    stream = is_stream(parameters)
    request = LaunchFlexTemplateRequest(
        project_id=environment.project,
        location=environment.region,
        launch_parameter=LaunchFlexTemplateParameter(
            job_name=name,
            container_spec_gcs_path=workers.template,
            parameters=dict(parameters),
            launch_options=workers.launch_options,
            environment=_runtime(workers, pipeline, stream=stream),
        ),
    )
    _mark(request, "")
    return request


def with_image(request: LaunchFlexTemplateRequest, image: str) -> LaunchFlexTemplateRequest:
    """Return a request that names the image of the workers; it is changed."""
    request.launch_parameter.environment.sdk_container_image = image
    _mark(request, "")
    return request


def as_update(
    request: LaunchFlexTemplateRequest, running: str, mapping: Mapping[str, str]
) -> LaunchFlexTemplateRequest:
    """Return the request that replaces a running job.

    Args:
        request: of the job as a new one; changed.
        running: the id of the job that is replaced.
        mapping: new labels of steps by old ones, where they moved.
    """
    request.launch_parameter.update = True
    request.launch_parameter.transform_name_mappings = dict(mapping)
    _mark(request, running)
    return request


def request_json(request: LaunchFlexTemplateRequest) -> str:
    """Return a request for a reader: what is unset is left out."""
    text = LaunchFlexTemplateRequest.to_json(
        request,
        including_default_value_fields=False,
        use_integers_for_enums=False,
        preserving_proto_field_name=False,
    )
    return json.dumps(json.loads(text), indent=2, sort_keys=True)


def launcher_arguments(request: LaunchFlexTemplateRequest) -> list[str]:
    """Return what the template's launcher adds to the parameters, as far as jobs check it."""
    asked = request.launch_parameter
    given = {
        "runner": "DataflowRunner",
        "project": request.project_id,
        "region": request.location,
        "job_name": asked.job_name,
        "template_location": f"{asked.environment.staging_location or 'gs://staging'}/job_object",
        # That of the template's spec is known when it is read.
        "sdk_container_image": asked.environment.sdk_container_image or _IMAGE_OF_THE_TEMPLATE,
    }
    experiments = [f"experiments={each}" for each in asked.environment.additional_experiments]
    options = [*asked.environment.additional_pipeline_options, *experiments]
    return [f"--{name}={value}" for name, value in given.items()] + [f"--{o}" for o in options]


def _runtime(workers: Workers, pipeline: str, *, stream: bool) -> FlexTemplateRuntimeEnvironment:
    """Return the environment of a job: of fields that are unset the template's or Dataflow's."""
    runtime = FlexTemplateRuntimeEnvironment(
        additional_experiments=workers.experiments,
        additional_user_labels=_labels(workers, pipeline),
        additional_pipeline_options=list(_pipeline_options(workers, stream=stream)),
        enable_streaming_engine=stream,
    )
    for field, value in {
        "temp_location": workers.temp_location,
        "staging_location": workers.staging_location,
        "service_account_email": workers.service_account,
        "network": workers.network,
        "subnetwork": workers.subnetwork,
        "machine_type": workers.machine_type,
        "num_workers": workers.num_workers,
        "max_workers": workers.max_workers,
        "kms_key_name": workers.kms_key,
        "sdk_container_image": workers.image,
    }.items():
        if value is not None:
            setattr(runtime, field, value)
    if workers.public_ips is not None:
        kinds = WorkerIPAddressConfiguration
        public, private = kinds.WORKER_IP_PUBLIC, kinds.WORKER_IP_PRIVATE
        runtime.ip_configuration = public if workers.public_ips else private
    if stream and workers.streaming_mode is not None:
        runtime.streaming_mode = StreamingMode[f"STREAMING_MODE_{workers.streaming_mode.upper()}"]
    return runtime


def _pipeline_options(workers: Workers, *, stream: bool) -> Iterator[str]:
    """Service options go to the job itself, which names a mode of its own unless one is named."""
    for option in workers.service_options:
        yield f"dataflow_service_options={option}"
    if stream and workers.streaming_mode is not None:
        yield f"dataflow_service_options=streaming_mode_{workers.streaming_mode}"


def _labels(workers: Workers, pipeline: str) -> dict[str, str]:
    """Cost is told by them from the launcher's first minute on; the job adds its version."""
    return {"suite": "penstock", "pipeline": pipeline, **workers.labels}


def _mark(request: LaunchFlexTemplateRequest, running: str) -> None:
    """Label a request by what it asks for, so that its job is known again."""
    labels = request.launch_parameter.environment.additional_user_labels
    labels.pop(LAUNCH_LABEL, None)
    labels[LAUNCH_LABEL] = _digest([request_json(request), running])[:_DIGITS]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
