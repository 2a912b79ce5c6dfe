"""Seeded input files of the benchmarks, generated once and kept in the user's cache folder."""

from pathlib import Path
from typing import NamedTuple

from local.cache import built_once, source_key
from local.generate import generate, write_lines
from local.plan import DAY, Faults, Plan
from schemas.contract import load_contracts

__all__ = ["Input", "prepared"]

_ROOT = Path(__file__).parents[1]
_GENERATOR = ("chance", "clock_text", "sample", "story", "plan", "faults", "generate")
_SEED = 20_260_101


class Input(NamedTuple):
    """A file of events that every contender can read: copies of lines, and nothing broken."""

    events: int
    duplicate: float = 0.02
    span_days: int = 1


def prepared(wanted: Input) -> Path:
    """Return the file of an input, generating it first unless it is in the cache."""
    sources = [_ROOT / "local" / f"{name}.py" for name in _GENERATOR]
    sources += (_ROOT / "schemas" / "contracts").rglob("*.avsc")
    key = source_key(f"{wanted.events}", sources, repr(wanted))

    def build(folder: Path) -> None:
        write_lines(generate(_plan(wanted), load_contracts(None)), folder / "events.ndjson")

    return built_once("benchmark", key, build) / "events.ndjson"


def _plan(wanted: Input) -> Plan:
    faults = Faults(wanted.duplicate, 0, 0.1, 0, 0, 0, 0, 0)
    span = wanted.span_days * DAY
    return Plan(wanted.events, seed=_SEED, span=span, faults=faults, same_bytes=True)
