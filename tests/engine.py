"""Runs a few steps on the in-process batch engine and hands back what came out."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from transforms.counters import NAMESPACE

_RUNS = itertools.count()
_SEEN: dict[tuple[int, str], list[Any]] = defaultdict(list)


def _keep(element: Any, run: int, name: str) -> None:
    _SEEN[run, name].append(element)


class Outcome:
    """Elements by output name, and the suite's counters."""

    def __init__(self, run: int, counters: dict[str, int]) -> None:
        self._run, self.counters = run, counters

    def __getitem__(self, name: str) -> list[Any]:
        return _SEEN[self._run, name]


def run_batch(build: Callable[[beam.Pipeline], dict[str, Any]], bundle_repeat: int = 0) -> Outcome:
    """Run `build(pipeline) -> {name: PCollection}`.

    With `bundle_repeat` the elements that a test sees are repeated too; what a sink wrote is not.
    """
    run = next(_RUNS)
    pipeline = beam.Pipeline(runner=FnApiRunner(bundle_repeat=bundle_repeat))
    for name, output in build(pipeline).items():
        _ = output | f"Keep {name}" >> beam.Map(_keep, run=run, name=name)
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(NAMESPACE))
    return Outcome(run, {m.key.metric.name: m.committed for m in found["counters"]})
