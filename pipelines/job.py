"""How every job is run from its command line."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pipelines.counters import write_counters
from pipelines.options import default_runner, exit_status, parse_options
from pipelines.places import check_places

__all__ = ["Job"]


class Job(NamedTuple):
    """What a job is made of.

    `configure` checks and converts the options into the job's configuration, which `build` puts
    into a pipeline. `counters` are told also where they are zero.
    """

    usage: str
    options: type[PipelineOptions]
    configure: Callable[[PipelineOptions], Any]
    build: Callable[[beam.Pipeline, Any], None]
    counters: tuple[str, ...]

    def run(self, argv: Sequence[str]) -> None:
        """Build and run the job and wait for its end.

        Raises:
            ValueError: wrong usage, a wrong declaration, a place that cannot be written, or no
                credentials, in one line.
        """
        options = parse_options(argv, self.options, self.usage)
        config = self.configure(options)
        options.view_as(StandardOptions).streaming = config.input_subscription is not None
        default_runner(options, "FnApiRunner" if config.input_files else "BundleBasedDirectRunner")
        check_places(config, options.view_as(StandardOptions).runner)
        pipeline = beam.Pipeline(options=options)
        self.build(pipeline, config)
        result = pipeline.run()
        result.wait_until_finish()
        if config.counters_output:
            write_counters(result, config.counters_output, self.counters)

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run from a command line; return the exit status."""
        return exit_status(self.run, sys.argv[1:] if argv is None else argv)
