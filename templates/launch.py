"""Launches the pipeline that an image is made for: the file that a template's launcher runs.

The launcher writes a template with `--template_location`, of which Dataflow makes the job. Which
pipeline it is says PENSTOCK_PIPELINE, which templates/Dockerfile sets.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

import pipelines

__all__ = ["launch"]

_PIPELINE = "PENSTOCK_PIPELINE"


def launch(argv: Sequence[str] | None = None) -> int:
    """Run the pipeline's command line; return its exit status, 2 where there is no such pipeline.

    Args:
        argv: of the pipeline; by default what the process was given.
    """
    name = os.environ.get(_PIPELINE, "")
    if name not in {module.name for module in iter_modules(pipelines.__path__)}:
        sys.stderr.write(f"{_PIPELINE}={name}: no such pipeline; build the image with one\n")
        return 2
    job = getattr(import_module(f"pipelines.{name}"), "JOB", None)
    if job is None:
        sys.stderr.write(f"{_PIPELINE}={name}: no job of Beam; it is run where it is started\n")
        return 2
    status: int = job.main(argv)
    return status


if __name__ == "__main__":
    sys.exit(launch())
