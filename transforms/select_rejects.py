"""Chooses what of a quarantine is to be released: of each message the last record, once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.bigtable_table import TABLE_ATTRIBUTE
from schemas.cell_lines import parse_change
from schemas.other_jobs import other_job
from schemas.rejected import Reason, Rejected
from schemas.released import release_key
from transforms.counters import counter
from transforms.group_kinds import GroupKinds, of_kind
from transforms.quarantine_filter import Filter
from transforms.release_outcomes import Outcome, count_outcome

__all__ = ["SelectRejects", "Selected", "outcome_of", "standing"]

_CHANGES = "changes"
_KINDS = (Rejected, bool)
_DECODED = ("Decode", "ExtractChanges")
_FINAL = (Reason.ID_CONFLICT.value, Reason.ROW_REFUSED.value)
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


class Selected(NamedTuple):
    """Refused messages that can be decoded anew, and refused changes that can be applied again."""

    messages: PCollection[Rejected]
    changes: PCollection[Rejected]


@dataclass
class SelectRejects(beam.PTransform[tuple[PCollection[Rejected], PCollection[bytes]], Selected]):
    """(records, keys of the ledger) -> `Selected(messages, changes)`.

    Of the records of one message that with the highest attempt counts, and only if it is meant. It
    is left out, and counted (`Outcome`), where it was released already, where its attempt has
    reached the most, where there is nothing to release, and where another job than the hot path
    refused it. Bounded; global window.

    Args:
        meant: which records are.
        max_attempts: a record that was handed in as often before is left out.
        table: the table that changes are applied to; None: there is none.
    """

    meant: Filter
    max_attempts: int
    table: str | None

    def __post_init__(self) -> None:
        super().__init__()
        if self.max_attempts < 1:
            msg = f"max_attempts={self.max_attempts}: give 1 or more"
            raise ValueError(msg)

    @no_annotations
    def expand(self, given: tuple[PCollection[Rejected], PCollection[bytes]]) -> Selected:
        """Group by message and choose."""
        records, ledger = given
        of_records = records | "KeyRecords" >> beam.Map(_keyed).with_output_types(
            tuple[bytes, Rejected]
        )
        of_ledger = ledger | "KeyLedger" >> beam.Map(_marked).with_output_types(tuple[bytes, bool])
        outputs = (
            (of_records, of_ledger)
            | "GroupByMessage" >> GroupKinds(bytes, _KINDS)
            | "Choose"
            >> beam.ParDo(_Choose(self))
            .with_output_types(Rejected, changes=Rejected)
            .with_outputs(_CHANGES, main="messages")
        )
        return Selected(outputs.messages, outputs.changes)


def standing(records: Iterable[Rejected]) -> Rejected | None:
    """Return the record of a message that counts, whatever order they come in; None of none.

    A row that a table refused, and what another job refused, hide nothing: the message may be good
    for the table of the hot path, or be refused there for a reason that can be mended.

    >>> one = Rejected("Decode", "not_json", "", b"{", {}, "7", "", None, 5)
    >>> standing([msgspec.structs.replace(one, attempt=1), one]).attempt
    1
    """
    return max(records, key=_rank, default=None)


def _rank(record: Rejected) -> tuple[int, bool, bytes]:
    elsewhere = record.reason == Reason.ROW_REFUSED.value or other_job(record) is not None
    return record.attempt, not elsewhere, _ENCODER.encode(record)


def outcome_of(
    record: Rejected, released: bool, max_attempts: int, table: str | None
) -> str | None:
    """Return why a record is left out; None: it is to be handed in again."""
    if record.reason == Reason.MUTATION_REFUSED.value:
        problem = _problem_of_change(record, table)
    elif record.reason in _FINAL:
        problem = Outcome.UNRELEASABLE
    elif other_job(record) is not None:
        problem = Outcome.OTHER_JOB
    else:
        problem = None if record.step in _DECODED else Outcome.UNRELEASABLE
    if problem is None and released:
        return Outcome.ALREADY_RELEASED
    if problem is None and record.attempt >= max_attempts:
        return Outcome.EXHAUSTED
    return problem


def _problem_of_change(record: Rejected, table: str | None) -> str | None:
    try:
        parse_change(record.payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Outcome.UNRELEASABLE
    # What was refused before tables were recorded is meant for the one that is given.
    if table is None or record.attributes.get(TABLE_ATTRIBUTE, table) != table:
        return Outcome.OTHER_TABLE
    return None


class _Choose(beam.DoFn):
    def __init__(self, given: SelectRejects) -> None:
        self._meant = given.meant
        self._rules = (given.max_attempts, given.table)

    def process(self, group: tuple[bytes, Iterable[bytes]]) -> Iterator[Any]:
        records = list(of_kind(group[1], 0, Rejected))
        record = standing(records)
        if record is None or not self._meant.takes(record):
            return
        # Also of a message that is released: the rows of the others lack it.
        for job in {other_job(each) for each in records} - {None}:
            counter(f"{Outcome.OTHER_JOB}.{job}").inc()
        released = any(of_kind(group[1], 1, bool))
        outcome = outcome_of(record, released, *self._rules)
        if outcome is not None:
            count_outcome(outcome, record)
        elif record.reason == Reason.MUTATION_REFUSED.value:
            count_outcome(Outcome.NOW_GOOD, record)
            yield TaggedOutput(_CHANGES, record)
        else:
            yield record


def _keyed(record: Rejected) -> tuple[bytes, Rejected]:
    return release_key(record), record


def _marked(key: bytes) -> tuple[bytes, bool]:
    return key, True
