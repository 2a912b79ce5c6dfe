"""Keeps one of the refused records that overlapping objects of the archive brought twice."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection

from schemas.quarantine_avro import identity
from schemas.rejected import Rejected
from transforms.counters import counter

__all__ = ["KeepOnce", "message_key"]

_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


@dataclass
class KeepOnce(beam.PTransform[PCollection[Rejected], PCollection[Rejected]]):
    """PCollection[Rejected] -> the same, each message once a step; bounded, global window.

    Copies are those of one message id with the same payload; without a message id, those that are
    equal in all that `identity` compares. Which of the copies stays depends on their content only.
    The refused are few, so the cost is that of a grouping of few. Counter: `rejected_again`, the
    copies that went.
    """

    def expand(self, rejected: PCollection[Rejected]) -> PCollection[Rejected]:
        """Group by message and take one."""
        kept: Any = (
            rejected
            | "KeyByMessage" >> beam.Map(_keyed).with_output_types(tuple[bytes, Rejected])
            | "GroupByMessage" >> beam.GroupByKey()
            | "TakeOne" >> beam.ParDo(_TakeOne()).with_output_types(Rejected)
        )
        return kept


def message_key(record: Rejected) -> bytes:
    """Return 16 bytes that are equal for the copies of one message refused by one step.

    >>> one = Rejected("Decode", "not_json", "", b"{", {}, "7", "", None, 5)
    >>> message_key(one) == message_key(msgspec.structs.replace(one, publish_time=6))
    True
    """
    if not record.message_id:
        return identity(record)
    message = (record.step, record.message_id, record.payload)
    return hashlib.blake2b(_ENCODER.encode(message), digest_size=16).digest()


class _TakeOne(beam.DoFn):
    def __init__(self) -> None:
        self._again = counter("rejected_again")

    def process(self, element: tuple[bytes, Iterable[Rejected]]) -> Iterator[Rejected]:
        kept = rank = None
        count = 0
        for record in element[1]:
            count += 1
            found = _ENCODER.encode(record)
            if rank is None or found < rank:
                kept, rank = record, found
        if count > 1:
            self._again.inc(count - 1)
        if kept is not None:
            yield kept


def _keyed(record: Rejected) -> tuple[bytes, Rejected]:
    return message_key(record), record
