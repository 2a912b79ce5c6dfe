"""The benchmarks that have no peer: figures beside targets."""

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks import (
    archive_size,
    bench_plan,
    event_bytes,
    growth,
    growth_plots,
    poison,
    state_per_id,
)

__all__ = ["FIGURES", "Figures"]


class Figures(NamedTuple):
    """One benchmark: `measure` returns its document, `told` what it says as a sentence.

    `quick` measures as much as a quick look takes. `keep` writes what else is made of a document.
    """

    name: str
    measure: Callable[[], dict[str, Any]]
    quick: Callable[[], dict[str, Any]]
    told: Callable[[dict[str, Any]], str]
    keep: Callable[[dict[str, Any]], None] | None = None


FIGURES = (
    Figures("state_per_id", state_per_id.measure, state_per_id.measure, state_per_id.told),
    Figures(
        "archive_size",
        archive_size.measure,
        lambda: archive_size.measure(20_000),
        archive_size.told,
    ),
    Figures(
        "event_bytes",
        event_bytes.measure,
        lambda: event_bytes.measure(2_048, (1, 64)),
        event_bytes.told,
    ),
    Figures("plan", bench_plan.measure, lambda: bench_plan.measure(2_000), bench_plan.told),
    Figures("poison", poison.measure, lambda: poison.measure(2_000, 1), poison.told),
    Figures("growth", growth.measure, growth.quick, growth.told, growth_plots.write),
)
"""In the order in which they run, behind those of `rows`."""
