"""The options by which a job that measures windows is told where they are served from."""

from collections.abc import Sequence
from typing import Any

from pipelines.common_arguments import CELLS, TABLE
from pipelines.option_words import Kind, Words
from pipelines.options import UsageError, flag, path, text
from pipelines.shared_options import only_one, table
from schemas.entity_names import entity_names
from schemas.metric import Metric

__all__ = ["SERVING", "SERVING_ONLY_WITH", "cell_values"]

SERVING = {
    **CELLS,
    **TABLE,
    "features": Words(
        "folder or file of the features that are in the same table (default: shipped)",
        Kind.FILE_OR_FOLDER,
        example="gs://my-bucket/features",
    ),
}
"""Options with their words for `--help`."""

SERVING_ONLY_WITH = {"bigtable_table": (*TABLE, "features")}
"""Options that do nothing without another one."""

_SINKS = ("bigtable_table", "cells_output")


def cell_values(given: Any, metrics: Sequence[Metric], *, plans_only: bool) -> dict[str, Any]:
    """Return the checked values of the options of `SERVING`, as `WindowConfig` takes them.

    Args:
        given: the parsed options.
        metrics: all that are measured.
        plans_only: whether nothing is to be written.

    Raises:
        UsageError: one line that names the option or the metric and the remedy.
        FeatureError: a feature file is wrong, in one line.
    """
    sink = only_one(given, _SINKS, or_none=True)
    served = [metric.name for metric in metrics if metric.bigtable]
    if sink and not served:
        msg = (
            f"--{sink}: no metric says `bigtable: true`, so nothing would be written there; leave "
            "it out, or let a metric say so"
        )
        raise UsageError(msg)
    if served and not (sink or plans_only):
        msg = (
            f"metric {served[0]} says `bigtable: true`: name --bigtable_table=projects/P/"
            "instances/I/tables/T, or --cells_output=FOLDER, or remove it from the metric"
        )
        raise UsageError(msg)
    if sink == "bigtable_table":
        _check_names(served, path(given.features))
    return {
        "bigtable_table": table(given.bigtable_table),
        "cells_output": path(given.cells_output),
        "app_profile": text(given.app_profile),
        "flow_control": flag("flow_control", given.flow_control),
    }


def _check_names(served: Sequence[str], features: str | None) -> None:
    """Refuse a metric that is called like an entity: their rows would have the same keys."""
    entities = entity_names(features)
    for name in served:
        if name in entities:
            msg = (
                f"--bigtable_table: metric {name} is called like the entity {name} of the features,"
                " and their rows would be the same; rename the metric, or name another table and "
                "its --features"
            )
            raise UsageError(msg)
