"""The tables of docs/cost.md, of records and examples: `python -m console.cost_page`."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from console.cost_answer import answer_of
from console.cost_figures import Figures, read_figures
from console.cost_files import EXAMPLES, Limit, Rates, read_limits, read_rates
from console.cost_limits import first_limit
from console.cost_text import Answer, bill_rows, first_told, limit_rows, scale_rows
from console.cost_workload import AUTO, Workload

__all__ = ["DEFAULTS", "PAGE", "main", "page"]

PAGE = Path(__file__).parents[1] / "docs" / "cost.md"
DEFAULTS: dict[str, float] = {
    "events_per_second": 10_000,
    "bytes_per_event": 0,
    "entities": 1_000_000,
    "retention_days": 30,
    "duplicates": 0.02,
    "horizon_hours": 24,
    "hot_key_share": 0,
    "shards": 0,
    "messages_per_bundle": 1_000,
    "metric_keys": 1_000,
    "queries_per_day": 1_000,
}
"""Of the command."""

_END = "<!-- end -->"
_SHARES = (0.0, 0.001, 0.01, 0.1, 0.5)
_SHORT = 1.0
_USUAL_SHARDS = 16
"""Of the pipelines' option."""
_BYTES = ("ids_shuffle", "ids_state", "changes_shuffle", "changes_state", "rows", "row_bytes")


def page() -> str:
    """Return the page with its tables renewed.

    Raises:
        ValueError: it has no place for one of them.
    """
    text = PAGE.read_text()
    day = answer_of(Workload.of(**DEFAULTS))
    hour = answer_of(Workload.of(**{**DEFAULTS, "horizon_hours": _SHORT}))
    parts = {
        "measured": _markdown(_measured()),
        "bill": _markdown(bill_rows(day)),
        "bill_hour": _markdown(bill_rows(hour)),
        "growth": _grown(day),
        "growth_hour": _grown(hour),
        "first": _markdown(_fixed()),
        "hot": _markdown(_hot()),
        "limits": _markdown(_limits_told()),
    }
    for name, lines in parts.items():
        start = f"<!-- {name}: written by `make docs` -->"
        before, found, rest = text.partition(start)
        _, ended, after = rest.partition(_END)
        if not found or not ended:
            msg = f"docs/cost.md: write the lines {start} and {_END} where the table is to stand"
            raise ValueError(msg)
        table = "\n".join(lines)
        text = f"{before}{start}\n\n{table}\n\n{_END}{after}"
    return text


def main() -> int:
    """Write the page if it differs; return the exit status."""
    text = page()
    if PAGE.read_text() != text:
        PAGE.write_text(text)
        sys.stdout.write(f"wrote {PAGE}\n")
    return 0


def _measured() -> Iterator[list[str]]:
    """Yield a row for each size of packs, and one of the naive pipeline."""
    figures = read_figures()
    names = ("ids: shuffle", "state", "changes: shuffle", "state", "rows written", "their bytes")
    yield ["events a pack", *names]
    for packed in figures.packs:
        yield [f"{packed['events_a_pack']:g}", *(_short(packed[name]) for name in _BYTES)]
    yield ["plain Beam", *(_short(figures.naive.bytes[name]) for name in _BYTES)]


def _grown(answer: Answer) -> Iterator[str]:
    yield from _markdown(scale_rows(answer.grown))
    yield ""
    yield from _markdown(limit_rows(answer.grown))
    yield ""
    told = first_told(answer.first)
    yield f"{told[0].upper()}{told[1:]}."


def _hot() -> Iterator[list[str]]:
    """Yield where a stream ends whose busiest entity has a share of all events."""
    yield ["events of one entity", "first limit", "at events/s"]
    for share in _SHARES:
        yield [f"{share:.1%}", *_first(horizon_hours=_SHORT, hot_key_share=share)]


def _fixed() -> Iterator[list[str]]:
    """Yield where streams end with the jobs' own number of shards, and with as many as needed."""
    yield ["horizon", "shards", "first limit", "at events/s"]
    for hours in (DEFAULTS["horizon_hours"], _SHORT):
        for shards, told in ((_USUAL_SHARDS, f"{_USUAL_SHARDS}"), (AUTO, "as needed")):
            yield [f"{hours:g} h", told, *_first(horizon_hours=hours, shards=shards)]


def _first(**given: float) -> tuple[str, str]:
    rates, limits, figures = _examples()
    load = Workload.of(**{**DEFAULTS, **given})
    first = first_limit(load, figures, rates.assumptions, limits)
    name = f"`{first.limit.name}`" if first.limit else "none"
    return name, f"{float(f'{first.rate:.2g}'):,.0f}"


def _limits_told() -> Iterator[list[str]]:
    _, limits, _ = _examples()
    yield ["limit", "value", "unit", "source", "checked"]
    for limit in limits:
        yield [f"`{limit.name}`", f"{limit.value:,.10g}", limit.unit, limit.source, limit.checked]


def _examples() -> tuple[Rates, list[Limit], Figures]:
    rates = read_rates(EXAMPLES / "prices.example.yaml")
    return rates, read_limits(EXAMPLES / "limits.example.yaml"), read_figures()


def _short(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _markdown(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    heads, *others = rows
    for line in (heads, ["---"] * len(heads), *others):
        yield f"| {' | '.join(line)} |"


if __name__ == "__main__":
    sys.exit(main())
