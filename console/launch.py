"""`penstock launch`: a job on Dataflow from its template, by the file of an environment."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from console.printing import print_lines, say

if TYPE_CHECKING:
    from console.launch_run import Asked

__all__ = ["launch"]

_STILL_STARTING = 3

_Pipeline: TypeAlias = Annotated[str, typer.Argument(metavar="PIPELINE", help="such as hot_path")]
_Env: TypeAlias = Annotated[Path, typer.Option(help="file of the environment; docs/launch.md")]
_Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="a parameter, before those of the file"),
]
_JobName: TypeAlias = Annotated[
    str, typer.Option("--job_name", "--job-name", help="by default by rule, from the file")
]
_DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry_run", "--dry-run", help="check and show the request, send nothing")
]
_Update: TypeAlias = Annotated[
    bool, typer.Option("--update", help="replace the running job, its graph checked first")
]
_OldGraph: TypeAlias = Annotated[
    str,
    typer.Option("--old_graph", "--old-graph", help="with --update: the old graph from a file"),
]
_Wait: TypeAlias = Annotated[
    str, typer.Option(help="how long the job may take to run, such as 15m; 0s: do not wait")
]
_Endpoint: TypeAlias = Annotated[
    str, typer.Option("--dataflow_endpoint", "--dataflow-endpoint", help="another than Google's")
]


def launch(
    pipeline: _Pipeline,
    env: _Env,
    set_: _Set = None,
    job_name: _JobName = "",
    dry_run: _DryRun = False,
    update: _Update = False,
    old_graph: _OldGraph = "",
    wait: _Wait = "15m",
    dataflow_endpoint: _Endpoint = "",
) -> None:
    """Launch a pipeline on Dataflow from its Flex Template, or update its running job.

    Parameters are checked before anything is sent, by the template's metadata and by the job's own
    options. The request is shown as JSON. Status 0: the job runs; 1: refused or failed; 2: wrong
    usage; 3: still starting when --wait was over.

    Example: penstock launch hot_path --env prod.yaml --dry_run

    Example: penstock launch hot_path --env prod.yaml --update
    """
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from console.launch_run import Asked  # noqa: PLC0415

    if old_graph and not update:
        msg = "--old_graph goes with --update: leave it out"
        raise ValueError(msg)
    given, seconds = tuple(set_ or ()), _seconds(wait)
    _launch(
        Asked(
            pipeline, env, given, job_name, dry_run, update, old_graph, dataflow_endpoint, seconds
        )
    )


def _launch(asked: "Asked") -> None:
    from console.launch_parameters import ParameterError  # noqa: PLC0415
    from console.launch_run import launch_job  # noqa: PLC0415
    from console.launch_start import StillStartingError  # noqa: PLC0415

    try:
        launch_job(asked, lambda text: print_lines([text]), say)
    except ParameterError as error:
        for problem in error.problems:
            say(problem)
        raise typer.Exit(2) from None
    except StillStartingError as error:
        say(error)
        raise typer.Exit(_STILL_STARTING) from None


def _seconds(wait: str) -> float:
    from schemas.durations import parse_duration  # noqa: PLC0415

    try:
        return parse_duration(wait) / 1e6
    except ValueError as error:
        msg = f"--wait {wait}: {error}"
        raise ValueError(msg) from None
