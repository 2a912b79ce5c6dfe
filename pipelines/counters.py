"""The counters of a run that has ended, as one JSON object."""

import json
from collections.abc import Mapping, Sequence

from apache_beam.metrics import MetricsFilter
from apache_beam.runners.runner import PipelineResult

from transforms.counters import NAMESPACE
from transforms.object_store import replace_object

__all__ = ["HOT_PATH", "counters_of", "totals", "write_counters"]

HOT_PATH = (
    "read",
    "accepted",
    "duplicate",
    "conflict",
    "late",
    "tiles_withheld",
    "mutations",
    "written",
    "refused",
)
"""What a reader of the hot path's counters looks for, also where it is zero."""

_REJECTED = "rejected."


def counters_of(result: PipelineResult) -> dict[str, int]:
    """Return the suite's counters by name; attempted values where the engine commits none."""
    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    sums: dict[str, int] = {}
    for metric in found:
        value = metric.committed if metric.committed is not None else metric.attempted
        sums[metric.key.metric.name] = sums.get(metric.key.metric.name, 0) + (value or 0)
    return sums


def totals(
    counters: Mapping[str, int], always: Sequence[str] = HOT_PATH
) -> dict[str, int | dict[str, int]]:
    """Arrange counters for reading: those of `always` first, rejects by reason.

    >>> totals({"read": 2, "accepted": 1, "rejected.not_json": 1})["rejected"]
    {'not_json': 1}
    """
    plain = {name: counters.get(name, 0) for name in always}
    others = {
        name: value
        for name, value in sorted(counters.items())
        if name not in plain and not name.startswith(_REJECTED)
    }
    rejected = {
        name.removeprefix(_REJECTED): value
        for name, value in sorted(counters.items())
        if name.startswith(_REJECTED) and value
    }
    return {**plain, **others, "rejected": rejected}


def write_counters(result: PipelineResult, path: str, always: Sequence[str]) -> None:
    """Write the counters of a finished run to a file, local or `gs://`.

    Raises:
        ObjectStoreError: it cannot be written.
    """
    body = json.dumps(totals(counters_of(result), always), indent=2) + "\n"
    replace_object(path, body.encode())
