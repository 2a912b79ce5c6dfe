"""The options of the job that fills columns, and the configuration they are parsed into, once."""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.common_arguments import DECLARED, OUTPUTS, RUN
from pipelines.option_words import Kind, Words
from pipelines.options import (
    UsageError,
    add_options,
    moment,
    path,
    refuse_idle,
    required,
    text,
)
from pipelines.row_options import ROWS, ROWS_ONLY_WITH, row_sink
from schemas.contract import Contracts, load_contracts
from schemas.ops_tables import DRIFT, QUARANTINE
from schemas.row_sink import RowSink
from schemas.silver_tables import silver_table
from schemas.tables import Table

__all__ = ["FillConfig", "FillOptions"]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_GROUPS = {
    "rows in files": {
        "rows_input": Words("folder that --rows_output of the curated events wrote", Kind.FOLDER),
        "rows_output": ROWS["rows_output"],
    },
    "or tables of BigQuery, read and written": {
        name: ROWS[name] for name in ROWS if name != "rows_output"
    },
    "which events; by default all": {
        "event_type": Words("of this type only", example="page_view"),
        "from": Words("first day or RFC 3339 time of the events", example="2026-01-31"),
        "to": Words("day or time at which they end, itself left out", example="2026-02-28"),
    },
    "other outputs": OUTPUTS,
    "what is declared": {
        "contracts": DECLARED["contracts"],
        "pseudonym_key": DECLARED["pseudonym_key"],
        "now": RUN["now"],
    },
}
_SOURCES = ("rows_input", "bigquery_project")
_ALWAYS = (-62_135_596_800_000_000, 253_402_300_800_000_000)
"""From year 1 to 9999."""


class FillOptions(PipelineOptions):
    """Command line of the job; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


@dataclass(frozen=True, kw_only=True)
class FillConfig:
    """The job's constants; times in microseconds.

    `rows_input` is None where the tables are read that `rows` writes: of the event types in
    `curated`. `tables` are those that are to be there. `span` is [first, end).
    """

    rows_input: str | None
    rows: RowSink
    curated: Mapping[str, Table]
    tables: tuple[Table, ...]
    event_type: str | None
    span: tuple[int, int] | None
    quarantine_output: str
    counters_output: str | None
    contracts: str | None
    pseudonym_key: str | None
    now: int
    input_files: None = None
    input_subscription: None = None
    job: ClassVar[str] = "fill_from_drift"

    @classmethod
    def of(cls, options: PipelineOptions) -> "FillConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(FillOptions)
        now = shared.launch_time(given.now)
        in_files = shared.only_one(given, _SOURCES) == "rows_input"
        refuse_idle(given, {**ROWS_ONLY_WITH, "rows_input": ("rows_output",)})
        quarantine = shared.quarantine_output(given.quarantine_output, plans_only=False)
        contracts = load_contracts(path(given.contracts))
        event_type = _event_type(given.event_type, contracts)
        wanted = contracts.types if event_type is None else [event_type]
        curated = {name: silver_table(contracts, name) for name in wanted}
        tables = (*curated.values(), DRIFT, QUARANTINE)
        run = shared.run_id(None, now)
        return cls(
            rows_input=_apart(given) if in_files else None,
            rows=row_sink(given, tables, bounded=True, now=now, run=run),
            curated=curated,
            tables=tables,
            event_type=event_type,
            span=_span(given),
            quarantine_output=quarantine,
            counters_output=path(given.counters_output),
            contracts=path(given.contracts),
            pseudonym_key=shared.pseudonym_key(given.pseudonym_key),
            now=now,
        )

    @property
    def whole_span(self) -> tuple[int, int]:
        """The span, also where none is given."""
        return self.span or _ALWAYS

    @property
    def begins(self) -> int | None:
        """When what is asked for begins; None where nobody said."""
        first = self.whole_span[0]
        return None if first == _ALWAYS[0] else first


def _apart(given: FillOptions) -> str:
    """Return the folder that is read, which is not the one that is written."""
    required("rows_output", given.rows_output, "name a folder, local or gs://")
    rows_input, output = path(given.rows_input) or "", path(given.rows_output) or ""
    if rows_input.rstrip("/") == output.rstrip("/"):
        msg = f"--rows_output={output}: that is --rows_input; filled rows go elsewhere"
        raise UsageError(msg)
    return rows_input.rstrip("/")


def _event_type(value: object, contracts: Contracts) -> str | None:
    given = text(value)
    if given is not None and given not in contracts.types:
        msg = f"--event_type={given}: no such contract; there are {', '.join(contracts.types)}"
        raise UsageError(msg)
    return given


def _span(given: FillOptions) -> tuple[int, int] | None:
    ends = [_end(name, getattr(given, name)) for name in ("from", "to")]
    first, end = (
        bound if known is None else known for known, bound in zip(ends, _ALWAYS, strict=True)
    )
    if end <= first:
        msg = f"--to={given.to}: give a time after --from={getattr(given, 'from')}"
        raise UsageError(msg)
    return None if ends == [None, None] else (first, end)


def _end(name: str, value: object) -> int | None:
    """Return a moment, or the beginning of a day."""
    is_day = _DAY.fullmatch(text(value) or "")
    return moment(name, f"{value}T00:00:00Z" if is_day else value)
