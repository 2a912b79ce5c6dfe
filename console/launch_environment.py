"""One environment's file, typed: where its jobs run, and what each pipeline is given."""

import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec

from console.launch_file import FileError, Lines, read_file

__all__ = ["Environment", "Workers", "load_environment", "near_miss"]

_PLACEHOLDER = "{pipeline}"
_MOST_WORKERS = 1000

_Text: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[^\s{}]+$", max_length=1024)]
_Folder: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^gs://[^/\s{}]+[^\s{}]*$", max_length=1024)
]
_Template: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^gs://[^/\s{}]+([^\s{}]|\{pipeline\})*$", max_length=1024)
]
_Image: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^([^\s{}]|\{pipeline\})+$", max_length=1024)
]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=_MOST_WORKERS)]
_LabelKey: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^(?!penstock-launch$)[a-z][a-z0-9_-]{0,62}$")
]
_LabelValue: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{0,63}$")]
_Option: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]+(=\S*)?$")]
_JobName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")]
_Mode: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^(exactly_once|at_least_once)$")]
_Parameters: TypeAlias = dict[str, str | list[str] | None]

_SUCH_AS = {
    "project": "my-project",
    "region": "europe-west1",
    "template": "gs://my-bucket/templates/{pipeline}.json",
    "image": "europe-docker.pkg.dev/my-project/penstock/{pipeline}:1.2.3",
    "temp_location": "gs://my-bucket/tmp",
    "staging_location": "gs://my-bucket/staging",
    "service_account": "worker@my-project.iam.gserviceaccount.com",
    "network": "my-network",
    "subnetwork": "regions/europe-west1/subnetworks/my-subnetwork",
    "public_ips": "false",
    "machine_type": "n2-standard-2",
    "num_workers": "1",
    "max_workers": "3",
    "kms_key": "projects/P/locations/L/keyRings/R/cryptoKeys/K",
    "labels": "team: events, of small letters, digits, - and _",
    "streaming_mode": "at_least_once or exactly_once",
    "experiments": "[min_num_workers=1]",
    "service_options": "[enable_prime]",
    "launch_options": "a text by name",
    "job_prefix": "penstock",
    "job_name": "penstock-hot-path",
    "parameters": "horizon: 1d",
    "pipelines": "a pipeline's name, and its fields below",
}


class Workers(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What may be said for all pipelines, and otherwise for one of them."""

    template: _Template | None = None
    image: _Image | None = None
    temp_location: _Folder | None = None
    staging_location: _Folder | None = None
    service_account: Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    network: _Text | None = None
    subnetwork: _Text | None = None
    public_ips: bool | None = None
    machine_type: _Text | None = None
    num_workers: _Count | None = None
    max_workers: _Count | None = None
    kms_key: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$"
            ),
        ]
        | None
    ) = None
    labels: dict[_LabelKey, _LabelValue] = {}
    streaming_mode: _Mode | None = None
    experiments: list[_Option] = []
    service_options: list[_Option] = []
    launch_options: dict[str, str] = {}
    job_name: _JobName | None = None
    parameters: _Parameters = {}


class Environment(Workers, forbid_unknown_fields=True, kw_only=True):
    """A whole file."""

    project: Annotated[
        str, msgspec.Meta(pattern=r"^([a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$")
    ]
    region: Annotated[str, msgspec.Meta(pattern=r"^[a-z]+-[a-z]+[0-9]+$")]
    job_prefix: _JobName = "penstock"
    pipelines: dict[str, Any] = {}

    def workers_of(self, pipeline: str) -> Workers:
        """Return what holds for one pipeline: its own, before what holds for all.

        Labels and launch options are joined; a list is replaced. The parameters are its own.
        """
        own: Workers = self.pipelines.get(pipeline, Workers())
        joined: dict[str, Any] = {}
        for name in Workers.__struct_fields__:
            mine, all_ = getattr(own, name), getattr(self, name)
            if isinstance(mine, dict):
                joined[name] = {**all_, **mine}
            else:
                joined[name] = all_ if mine is None or mine == [] else mine
        for name in ("template", "image"):
            if joined[name]:
                joined[name] = joined[name].replace(_PLACEHOLDER, pipeline)
        return Workers(**{**joined, "parameters": own.parameters})


def load_environment(path: Path, pipelines: Collection[str]) -> Environment:
    """Read an environment's file and check each of its fields.

    Args:
        path: of the file.
        pipelines: the names of all that have a template.

    Raises:
        FileError: one line that names file, line, field and remedy.
    """
    held, lines = read_file(path)
    place = _Place(path, lines)
    environment: Environment = place.typed(held, Environment, ())
    if environment.job_name is not None:
        raise place.error(("job_name",), "of one pipeline; write it below pipelines, or job_prefix")
    for name, own in environment.pipelines.items():
        here = ("pipelines", name)
        if name not in pipelines:
            raise place.error(here, f"no such pipeline{near_miss(name, pipelines)}")
        environment.pipelines[name] = place.typed(own or {}, Workers, here)
        workers = environment.workers_of(name)
        if (workers.num_workers or 0) > (workers.max_workers or _MOST_WORKERS):
            raise place.error((*here, "num_workers"), "more than max_workers; write less")
    return environment


def near_miss(name: str, known: Collection[str]) -> str:
    """Return what to say behind a name that is not known.

    >>> near_miss("hot_pth", ["audit", "hot_path"]), near_miss("x", ["audit", "hot_path"])
    ('; did you mean hot_path?', '; there are audit, hot_path')
    """
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"


class _Place:
    """A file, for errors that name where they are."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self._path, self._lines = path, lines

    def typed(self, held: Any, kind: type[Any], above: tuple[str, ...]) -> Any:
        """Convert a mapping of texts; what is given empty is as if it were not there."""
        if not isinstance(held, dict):
            raise self.error(above, "holds no fields; write them below it")
        fields = [name for name in kind.__struct_fields__ if name in _SUCH_AS]
        for name, value in held.items():
            if name not in fields:
                raise self.error(
                    (*above, str(name)), f"no such field{near_miss(str(name), fields)}"
                )
            self._check(kind, name, value, (*above, name))
        given = {name: value for name, value in held.items() if value not in ("", None, [], {})}
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            missing = re.search(r"missing required field `(\w+)`", str(error))
            name = missing[1] if missing else "?"
            raise self.error((*above, name), f"is missing; such as {_SUCH_AS[name]}") from None

    def _check(self, kind: type[Any], name: str, value: Any, here: tuple[str, ...]) -> None:
        if value in ("", None, [], {}):
            return
        type_ = next(f.type for f in msgspec.structs.fields(kind) if f.name == name)
        try:
            msgspec.convert(value, type_, strict=False)
        except msgspec.ValidationError as error:
            # By the words of msgspec, which tell no value; the pattern says less than an example.
            told = re.sub(r"(.*) matching regex .*", r"\1 of another form", str(error))
            told = told.partition(" - at")[0].replace(" | null", "")
            words = f"{told}; such as {_SUCH_AS[name]}"
            raise self.error(here, words) from None

    def error(self, here: tuple[str, ...], words: str) -> FileError:
        """Return the error of what a path of keys leads to."""
        line = next((f":{self._lines[p]}" for p in _upwards(here) if p in self._lines), "")
        return FileError(f"{self._path}{line}: {'.'.join(here)}: {words}")


def _upwards(here: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [here[:n] for n in range(len(here), 0, -1)]
