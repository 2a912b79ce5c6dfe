"""Writes rows of BigQuery tables; each is written, or refused with a reason, and none is lost."""

from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.typehints.decorators import no_annotations

from schemas.rejected import Rejected
from schemas.row_packs import RowPack
from schemas.row_sink import METHODS, RowSink
from transforms.append_rows import AppendRows
from transforms.load_rows import LoadRows
from transforms.pack_rows import PackRows
from transforms.stream_rows import StreamRows
from transforms.write_objects import WriteObjects, lines_form

__all__ = ["WriteRows", "WrittenRows"]


class WrittenRows(NamedTuple):
    """Names of what was written to, at least one for each table, and what was refused.

    What waits for `written` (a grouping or a side input of all of it) starts after all rows are
    written; with `storage` only after they were handed to Beam's sink.
    """

    written: PCollection[str]
    rejected: PCollection[Rejected]


@dataclass
class WriteRows(beam.PTransform[PCollection[RowPack], WrittenRows]):
    """PCollection[RowPack] -> `WrittenRows(written, rejected)`.

    Delivery is at least once; what makes it idempotent differs by the method:

    - `files`: NDJSON objects in a folder for each table, as in `WriteObjects`; refuses nothing.
    - `inserts`: as in `StreamRows`; a row may be there twice, and the views count it once.
    - `load`: as in `LoadRows`; one row for each key, whatever was tried again. Bounded input only.
    - `storage`: as in `AppendRows`; a row may be there twice, and the views count it once.

    A refused row leaves as `Rejected` with reason `row_refused`; its payload is the message that it
    came from where the pack has it (`raw`), else the row itself with the attribute
    `bigquery_table`. The detail names the table, the rule and the field, never a value.
    Counters: `rows` = `rows_written` + `rows_refused`; with `storage` there is no `rows_written`.
    Where `sink.counted` says so, their names begin otherwise.

    Raises, at run time: `NothingWrittenError` or `LoadFailedError`, which fail the bundle: a table
    is missing, writing is not allowed, BigQuery is down for longer than the patience. Tables are
    never created.

    Args:
        sink: where rows go and how.
    """

    sink: RowSink

    def __post_init__(self) -> None:
        """Check the constants; nothing is opened."""
        if self.sink.method not in METHODS:
            msg = f"method={self.sink.method!r}: one of {', '.join(METHODS)}"
            raise ValueError(msg)

    @no_annotations
    def expand(self, packs: PCollection[RowPack]) -> WrittenRows:
        """Apply the method."""
        if self.sink.method == "inserts":
            return WrittenRows(*(packs | "InsertRows" >> StreamRows(self.sink)))
        if self.sink.method == "load":
            return WrittenRows(*(packs | "LoadRows" >> LoadRows(self.sink)))
        if self.sink.method == "storage":
            return WrittenRows(*(packs | "AppendRows" >> AppendRows(self.sink)))
        counted = self.sink.counted
        writing = WriteObjects(self.sink.path, lines_form(f"{counted}_written"))
        written = packs | "PackRows" >> PackRows(counted=counted) | "WriteRowObjects" >> writing
        return WrittenRows(written, packs.pipeline | "NoneRefused" >> _none_refused())


def _none_refused() -> beam.Create:
    return beam.Create([], reshuffle=False).with_output_types(Rejected)
