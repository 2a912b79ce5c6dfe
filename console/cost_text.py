"""How a bill and the way to a million events a second are told: tables, or one JSON document."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from console.cost_bill import Line, total
from console.cost_files import Limit, Rates
from console.cost_limits import First, Scaled
from console.cost_usage import GIB, Usage
from console.cost_workload import Workload

__all__ = [
    "Answer",
    "as_json",
    "bill_rows",
    "first_told",
    "limit_rows",
    "scale_rows",
    "table",
    "told",
]


class Answer(NamedTuple):
    """All that is told: the workload, both bills and both uses, and how the suite's grows."""

    load: Workload
    rates: Rates
    penstock: list[Line]
    naive: list[Line]
    here: Scaled
    naive_used: Usage
    grown: list[Scaled]
    limits: list[Limit]
    first: First


def told(answer: Answer) -> Iterator[str]:
    """Yield the lines of the answer as people read it."""
    rates = answer.rates
    yield f"a million events, in {rates.currency} ({rates.region}):"
    yield from table(bill_rows(answer))
    if rates.unverified:
        yield f"prices that nobody checked: {', '.join(rates.unverified)}"
    yield ""
    yield "as the rate grows:"
    yield from table(scale_rows(answer.grown))
    yield ""
    yield "share of each limit:"
    yield from table(limit_rows(answer.grown))
    yield ""
    yield first_told(answer.first)


def first_told(first: First) -> str:
    """Say which limit is hit first, and what to do."""
    if first.limit is None:
        return f"no limit is hit up to {first.rate:,.0f} events a second"
    limit = first.limit
    return (
        f"first limit: {limit.name} ({limit.value:,.10g} {limit.unit}) at about "
        f"{float(f'{first.rate:.2g}'):,.0f} events a second: {limit.remedy}"
    )


def bill_rows(answer: Answer) -> list[list[str]]:
    """Return the rows of both bills, beside each other."""
    rows = [["service", "what", "unit", "Penstock", "plain Beam", "Penstock", "plain Beam"]]
    for ours, other in zip(answer.penstock, answer.naive, strict=True):
        quantities = [_number(ours.quantity), _number(other.quantity)]
        costs = [f"{ours.cost:.4f}", f"{other.cost:.4f}"]
        rows.append([ours.service, ours.what, ours.unit, *quantities, *costs])
    sums = [f"{total(answer.penstock):.4f}", f"{total(answer.naive):.4f}"]
    rows.append(["all", "", "", "", "", *sums])
    return rows


def scale_rows(grown: Sequence[Scaled]) -> list[list[str]]:
    """Return a row for each rate: shards, workers, memory, state, nodes."""
    rows = [
        [
            "events/s", "shards", "events a pack", "vCPUs", "of them busy", "keys a vCPU",
            "memory of shards GiB", "state GiB", "rows written/s", "nodes",
        ]
    ]  # fmt: skip
    for each in grown:
        used, held = each.used, each.used.held
        rows.append(
            [
                f"{each.rate:,.0f}",
                f"{used.shards:,}",
                _number(max(used.pack, 1.0)),
                _number(sum(used.vcpus.values())),
                _number(sum(used.busy_vcpus.values())),
                _number(used.shards / used.vcpus["hot_path"]),
                # Three jobs hold the ids, one of them rows as well.
                _number((3 * held.ids_memory + held.rows_memory) / GIB),
                _number((3 * held.ids_state + held.rows_state) / GIB),
                _number(used.bigtable_rows),
                f"{used.bigtable_nodes:,}",
            ]
        )
    return rows


def limit_rows(grown: Sequence[Scaled]) -> list[list[str]]:
    """Return a row for each limit: its share at each rate; what is exceeded stands out."""
    rows = [["limit", *(f"{each.rate:,.0f}/s" for each in grown)]]
    rows += [[name, *(_share(each.shares[name]) for each in grown)] for name in grown[0].shares]
    return rows


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows as columns: numbers to the right.

    >>> list(table([["what", "n"], ["a", "10"], ["bc", "9"]]))
    ['what   n', 'a     10', 'bc     9']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [all(_is_number(row[at]) for row in rows[1:]) for at in range(len(widths))]
    for row in rows:
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def as_json(answer: Answer) -> dict[str, Any]:
    """Return the answer as JSON values."""
    return {
        "workload": answer.load._asdict(),
        "currency": answer.rates.currency,
        "region": answer.rates.region,
        "unverified_prices": list(answer.rates.unverified),
        "per_million_events": {
            name: {"lines": [line._asdict() for line in lines], "cost": total(lines)}
            for name, lines in (("penstock", answer.penstock), ("plain_beam", answer.naive))
        },
        "usage_a_second": {
            "penstock": _usage_json(answer.here.used),
            "plain_beam": _usage_json(answer.naive_used),
        },
        "limits": answer.here.shares,
        "growth": [
            {
                "events_per_second": each.rate,
                "usage_a_second": _usage_json(each.used),
                "limits": each.shares,
                "exceeded": each.exceeded,
            }
            for each in answer.grown
        ],
        "first_limit": {
            "name": answer.first.limit.name if answer.first.limit else None,
            "events_per_second": answer.first.rate,
            "remedy": answer.first.limit.remedy if answer.first.limit else None,
        },
    }


def _usage_json(used: Usage) -> dict[str, Any]:
    return {**used._asdict(), "held": used.held._asdict()}


def _number(value: float) -> str:
    """Tell a number by three digits.

    >>> _number(12345.6), _number(1.2345), _number(0), _number(0.00012345)
    ('12,300', '1.23', '0', '0.000123')
    """
    rounded = float(f"{value:.3g}")
    if rounded >= 100:
        return f"{rounded:,.0f}"
    return f"{rounded:.10f}".rstrip("0").rstrip(".") if rounded else "0"


def _share(share: float) -> str:
    return f"{_number(100 * share)} %" + (" !" if share > 1 else "")


def _is_number(cell: str) -> bool:
    return not cell or cell[0].isdigit()
