"""How every job is run from its command line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult

from pipelines.counters import counters_of, write_counters
from pipelines.on_dataflow import as_typed, is_template, on_dataflow
from pipelines.on_portable import on_portable
from pipelines.on_prism import on_prism
from pipelines.options import default_runner, exit_status, parse_options
from pipelines.places import check_places

__all__ = ["Job", "LeftUndoneError"]


def _as_it_is(config: Any) -> Any:
    return config


def _nothing(config: Any, result: PipelineResult) -> None:
    return None


class LeftUndoneError(RuntimeError):
    """A job has come to its end, but not everything could be done: one line."""


class Job(NamedTuple):
    """What a job is made of.

    `configure` checks and converts the options into the job's configuration, which `build` puts
    into a pipeline. `counters` are told also where they are zero. Between the two `prepare` returns
    the configuration that is to be built, or None where nothing is to be launched. At the end
    `problem` tells from the counters what was left undone, in one line, or None; and `finish` does
    what is to be done after a run that succeeded. `at_least_once`: whether readers see nothing of a
    record that a streaming engine hands on twice, behind the dedupe as well.
    """

    usage: str
    options: type[PipelineOptions]
    configure: Callable[[PipelineOptions], Any]
    build: Callable[[beam.Pipeline, Any], None]
    counters: tuple[str, ...]
    prepare: Callable[[Any], Any] = _as_it_is
    problem: Callable[[Mapping[str, int]], str | None] | None = None
    finish: Callable[[Any, PipelineResult], None] = _nothing
    at_least_once: bool = False

    @property
    def name(self) -> str:
        """The name of its module, which is also that of its template."""
        return self.usage.partition("pipelines.")[2].partition(" ")[0]

    def run(self, argv: Sequence[str]) -> None:
        """Build and run the job and wait for its end; a template is only written.

        Raises:
            ValueError: wrong usage, a wrong declaration, a place that cannot be written, or no
                credentials, in one line.
            LeftUndoneError: the job has ended, and says what it could not do.
        """
        options = parse_options(as_typed(argv, self.options), self.options, self.usage)
        config = self.prepare(self.configure(options))
        if config is None:
            return
        live = config.input_subscription is not None
        options.view_as(StandardOptions).streaming = live
        default_runner(options, "BundleBasedDirectRunner" if live else "FnApiRunner")
        check_places(config, options.view_as(StandardOptions).runner)
        on_dataflow(options, self.options, self.name, at_least_once=self.at_least_once)
        on_portable(argv, options)
        with on_prism(options):
            pipeline = beam.Pipeline(options=options)
            self.build(pipeline, config)
            result = pipeline.run()
            if is_template(options):
                return
            result.wait_until_finish()
        self.finish(config, result)
        if config.counters_output:
            provenance = getattr(config, "provenance", {})
            write_counters(result, config.counters_output, self.counters, provenance)
        problem = self.problem(counters_of(result)) if self.problem else None
        if problem:
            raise LeftUndoneError(problem)

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run from a command line; return the exit status."""
        return exit_status(self.run, argv)
