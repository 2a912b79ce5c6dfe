"""Puts a bill and the way of a growing stream together, from files and a workload."""

from pathlib import Path

from console.cost_bill import BILLINGS, bill
from console.cost_figures import RESULTS, read_figures
from console.cost_files import EXAMPLES, read_limits, read_rates
from console.cost_limits import RATES, first_limit, scaled
from console.cost_text import Answer
from console.cost_usage import naive_usage
from console.cost_workload import Workload

__all__ = ["answer_of"]


def answer_of(
    load: Workload,
    prices: Path | None = None,
    limits: Path | None = None,
    measured: Path | None = None,
    billing: str = "data",
) -> Answer:
    """Reckon it; files that are not given are the examples and the recorded benchmarks.

    Raises:
        ValueError: a file or a name is not what it has to be; one line.
    """
    if billing not in BILLINGS:
        msg = f"--engine_billing {billing}: give {' or '.join(BILLINGS)}"
        raise ValueError(msg)
    rates = read_rates(prices or EXAMPLES / "prices.example.yaml")
    known = read_limits(limits or EXAMPLES / "limits.example.yaml")
    figures = read_figures(measured or RESULTS)
    assumed, rate = rates.assumptions, load.events_per_second
    here = scaled(load, figures, assumed, known)
    other = naive_usage(load, figures, assumed)
    return Answer(
        load,
        rates,
        bill(here.used, rate, rates, billing),
        bill(other, rate, rates, billing),
        here,
        other,
        [scaled(load.at(each), figures, assumed, known) for each in RATES],
        known,
        first_limit(load, figures, assumed, known),
    )
