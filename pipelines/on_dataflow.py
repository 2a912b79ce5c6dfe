"""What a job does to be launched on Dataflow, from a command line or as a Flex Template."""

from collections.abc import Sequence
from importlib.metadata import version

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)

from pipelines.option_words import DeclaredOption, Kind, declared_options
from pipelines.options import UsageError, text
from schemas.locations import is_remote

__all__ = ["as_typed", "is_template", "on_dataflow"]

_TEMPLATE = "--template_location="
_AT_LEAST_ONCE = "streaming_mode_at_least_once"
_MODES = "streaming_mode_"
_ENVIRONMENT = "env:"
# Workers read and write them; declarations are read by the launch, counters written after it.
_PLACES = (Kind.FILES, Kind.FOLDER, Kind.OUTPUT_FOLDER)


def is_template(options: PipelineOptions) -> bool:
    """Return whether only a template is written, which somebody else makes a job of."""
    return bool(options.view_as(GoogleCloudOptions).template_location)


def as_typed(argv: Sequence[str], own: type[PipelineOptions]) -> list[str]:
    """Return a command line as a person would have typed it.

    The form of a template fills in the defaults of all options, and its launcher hands them over,
    with "" for what was left empty. They say nothing; typed by a person, beside what they do not go
    with, they would be a mistake. A command line of no template's launcher is left as it is.

    Raises:
        UsageError: an option needs somebody who waits for the end of the job.
    """
    if not any(item.startswith(_TEMPLATE) for item in argv):
        return list(argv)
    declared = {f"--{option.name}": option for option in declared_options(own)}
    return [item for item in argv if _says_something(item, declared)]


def _says_something(item: str, declared: dict[str, DeclaredOption]) -> bool:
    name, _, value = item.partition("=")
    if name not in declared:
        return True
    words = declared[name].words
    is_no = words.kind is Kind.FLAG and value.lower() == (words.default or "false")
    if is_no or value in ("", words.default):
        return False
    if words.awaited:
        msg = (
            f"{item}: whoever launches a template does not wait for the job; leave it out, or run "
            "the pipeline from a command line"
        )
        raise UsageError(msg)
    return True


def on_dataflow(
    options: PipelineOptions, own: type[PipelineOptions], name: str, *, at_least_once: bool
) -> None:
    """Where Dataflow is the engine, refuse what could not work there and set what always holds.

    Cost is told by pipeline, from the job's labels. A streaming job that does not mind a record
    that comes twice runs in the cheaper mode that says so, unless a mode is named.

    Args:
        options: of the launch; changed.
        own: the job's own options.
        name: of the pipeline.
        at_least_once: whether a record may come twice, also behind the dedupe.

    Raises:
        UsageError: one line that names the option and the remedy.
    """
    runner = options.view_as(StandardOptions).runner or ""
    if runner.rpartition(".")[2] != "DataflowRunner":
        return
    _refuse_local(options.view_as(own), own)
    _refuse_bare_workers(options)
    cloud = options.view_as(GoogleCloudOptions)
    if options.view_as(StandardOptions).streaming:
        cloud.dataflow_service_options = _services(
            cloud.dataflow_service_options or [],
            options.view_as(DebugOptions).experiments or [],
            at_least_once,
        )
    labels = {"suite": "penstock", "pipeline": name, "version": _version()}
    # Of two labels of one name Dataflow is told the last: a user's own.
    cloud.labels = [*(f"{key}={value}" for key, value in labels.items()), *(cloud.labels or [])]


def _refuse_local(given: PipelineOptions, own: type[PipelineOptions]) -> None:
    for option in declared_options(own):
        value = text(getattr(given, option.name))
        if value is None:
            continue
        if option.words.kind in _PLACES and not is_remote(value):
            msg = (
                f"--{option.name}={value}: Dataflow's workers do not see it; write gs://BUCKET/..."
            )
            raise UsageError(msg)
        if option.words.kind is Kind.SECRET and value.startswith(_ENVIRONMENT):
            msg = (
                f"--{option.name}={value}: Dataflow's workers do not have that variable; write "
                "projects/P/secrets/S/versions/V"
            )
            raise UsageError(msg)


def _refuse_bare_workers(options: PipelineOptions) -> None:
    setup = options.view_as(SetupOptions)
    image = options.view_as(WorkerOptions).sdk_container_image
    if not (image or setup.setup_file or setup.extra_packages):
        msg = (
            "--sdk_container_image is missing: workers need this package; name the image that "
            "templates/Dockerfile makes"
        )
        raise UsageError(msg)


def _services(given: list[str], experiments: list[str], at_least_once: bool) -> list[str]:
    """Return the options of the service; as an experiment gcloud names a mode of a template."""
    for option, names in (("dataflow_service_options", given), ("experiments", experiments)):
        if not at_least_once and _AT_LEAST_ONCE in names:
            msg = (
                f"--{option}={_AT_LEAST_ONCE}: a record that comes twice would be counted twice; "
                "leave it out"
            )
            raise UsageError(msg)
    named = any(option.startswith(_MODES) for option in (*given, *experiments))
    return given if named or not at_least_once else [*given, _AT_LEAST_ONCE]


def _version() -> str:
    """Return the version of the suite; a label has no dots."""
    return version("penstock").replace(".", "-")
