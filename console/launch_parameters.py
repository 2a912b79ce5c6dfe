"""What a template is given, checked as its form and its job would, before anything is sent."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from console.launch_environment import Environment, near_miss
from console.launch_secrets import looks_secret

if TYPE_CHECKING:
    from pipelines.job import Job

__all__ = [
    "ParameterError",
    "check_by_job",
    "is_stream",
    "job_of",
    "parameters_of",
    "template_of",
    "templates",
    "without_warm_start",
]

_METADATA = "metadata.json"
_NAME = re.compile(r"[A-Za-z0-9_]+")
_STREAM = "input_subscription"


class ParameterError(ValueError):
    """Parameters that a template does not take: what is wrong with each, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


@cache
def templates() -> tuple[str, ...]:
    """Return the pipelines that have a template, by the metadata of the installed package."""
    folders = (each for each in files("templates").iterdir() if each.is_dir())
    return tuple(sorted(each.name for each in folders if (each / _METADATA).is_file()))


def template_of(pipeline: str) -> dict[str, Any]:
    """Return the metadata of a pipeline's template.

    Raises:
        ParameterError: there is no such pipeline.
    """
    if pipeline not in templates():
        raise ParameterError([f"{pipeline}: no such pipeline{near_miss(pipeline, templates())}"])
    found: dict[str, Any] = json.loads((files("templates") / pipeline / _METADATA).read_text())
    return found


def job_of(pipeline: str) -> "Job":
    """Return the job of a pipeline; Beam is imported by it."""
    job: Job = import_module(f"pipelines.{pipeline}").JOB
    return job


def is_stream(parameters: Mapping[str, str]) -> bool:
    """Return whether a job of these parameters goes on until it is drained."""
    return _STREAM in parameters


def parameters_of(
    environment: Environment, pipeline: str, given: Sequence[str] = ()
) -> dict[str, str]:
    """Return the parameters of a launch, as texts, checked against the template's metadata.

    Those of the command line come before those of the pipeline, and these before those of all
    pipelines, of which each takes the ones it knows. An empty one is unset.

    Args:
        environment: the file.
        pipeline: its name.
        given: `NAME=VALUE` of the command line.

    Raises:
        ParameterError: unknown names, needed ones that are missing, values of another form.
    """
    metadata = template_of(pipeline)
    known = {each["name"]: each for each in metadata["parameters"]}
    shared, problems = _shared(environment, known)
    own = environment.workers_of(pipeline).parameters
    joined = _texts({**shared, **own, **_of_command_line(given)})
    problems += _problems(pipeline, joined, known)
    if problems:
        raise ParameterError(problems)
    return joined


def without_warm_start(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of an update: its job keeps its state, and has nothing to read again.

    A warm start tells what the job covers by what it reads, which is true of a new job only.
    """
    from pipelines.warm_options import WARM  # noqa: PLC0415

    return {name: value for name, value in parameters.items() if name not in WARM}


def check_by_job(pipeline: str, parameters: Mapping[str, str], launcher: Sequence[str]) -> None:
    """Check parameters by the job's own options, as its launch on Dataflow would.

    Folders of declarations are read by the launch alone: in their place the shipped ones are taken.

    Args:
        pipeline: its name.
        parameters: checked by `parameters_of`.
        launcher: what the template's launcher adds to them.

    Raises:
        ValueError: in the words of the job, one line.
    """
    # By the call: Beam takes seconds to import, and help needs none of it.
    from apache_beam.options.pipeline_options import StandardOptions  # noqa: PLC0415

    from pipelines.on_dataflow import as_typed, on_dataflow  # noqa: PLC0415
    from pipelines.option_words import Kind, declared_options  # noqa: PLC0415
    from pipelines.options import parse_options  # noqa: PLC0415

    job = job_of(pipeline)
    read = {o.name for o in declared_options(job.options) if o.words.kind is Kind.FILE_OR_FOLDER}
    argv = [f"--{name}={value}" for name, value in parameters.items() if name not in read]
    options = parse_options(as_typed([*argv, *launcher], job.options), job.options, job.usage)
    config = job.configure(options)
    live = getattr(config, "input_subscription", None) is not None
    options.view_as(StandardOptions).streaming = live
    on_dataflow(options, job.options, job.name, at_least_once=job.at_least_once)


def _shared(
    environment: Environment, known: Collection[str]
) -> tuple[dict[str, str | list[str] | None], list[str]]:
    """Return those of all pipelines that this one knows, and what is wrong with the others."""
    shared = environment.parameters
    anywhere = {
        parameter["name"] for name in templates() for parameter in template_of(name)["parameters"]
    }
    unknown = [
        f"parameter {name}, for all pipelines: none has it{_near(name, anywhere)}"
        for name in shared
        if name not in anywhere
    ]
    return {name: value for name, value in shared.items() if name in known}, unknown


def _of_command_line(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in given:
        name, separator, value = item.partition("=")
        if not separator or not _NAME.fullmatch(name):
            # Not shown: it may be a value alone.
            raise ParameterError(["--set: write NAME=VALUE, or NAME= to unset it"])
        if name in found:
            raise ParameterError([f"--set {name}: given twice; give it once"])
        found[name] = value
    return found


def _texts(parameters: Mapping[str, str | list[str] | None]) -> dict[str, str]:
    """Return parameters as a template takes them: lists with commas; what is empty is unset."""
    joined = {
        name: ",".join(value) if isinstance(value, list) else value
        for name, value in parameters.items()
    }
    return {name: value for name, value in joined.items() if value}


def _problems(
    pipeline: str, given: Mapping[str, str], known: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    for name, value in given.items():
        if name not in known:
            hint = _near(name, known) or f"; python -m pipelines.{pipeline} --help lists them"
            yield f"parameter {name}: {pipeline} has none{hint}"
        elif looks_secret(value):
            yield f"parameter {name} looks like a secret; name one in Secret Manager"
        elif not _is_allowed(known[name], value):
            yield f"parameter {name}{_shown(known[name], value)}: {_help(known[name])}"
    for name, parameter in known.items():
        if not parameter["isOptional"] and name not in given:
            yield f"parameter {name} is missing: {_help(parameter)}"


def _is_allowed(parameter: Mapping[str, Any], value: str) -> bool:
    choices = [each["value"] for each in parameter.get("enumOptions", [])]
    regexes = parameter.get("regexes", [])
    # As the form does, the whole of it: `$` alone would let a newline through.
    whole = all(re.search(regex, value) for regex in regexes) and value.isprintable()
    return whole and (not choices or value in choices)


def _shown(parameter: Mapping[str, Any], value: str) -> str:
    """Return a value as an error may show it: of a key only that it is none of Secret Manager's."""
    is_secret = any("/secrets/" in regex for regex in parameter.get("regexes", []))
    return ": no name of Secret Manager" if is_secret else f"={value[:200]}"


def _near(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def _help(parameter: Mapping[str, Any]) -> str:
    return str(parameter["helpText"])
