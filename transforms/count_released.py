"""Takes records as released once what makes them so is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.candidates import Candidate
from schemas.rejected import Rejected
from transforms.release_outcomes import Outcome, count_outcome

__all__ = ["CountReleased", "TakeRecords"]


@dataclass
class TakeRecords(beam.PTransform[PCollection[Candidate], PCollection[Rejected]]):
    """PCollection[Candidate] -> their records."""

    def expand(self, candidates: PCollection[Candidate]) -> PCollection[Rejected]:
        """Take one by one."""
        records: Any = candidates | "TakeRecord" >> beam.Map(_record).with_output_types(Rejected)
        return records


@dataclass
class CountReleased(beam.PTransform[PCollection[Rejected], PCollection[Rejected]]):
    """PCollection[Rejected] -> the same, once other steps have ended.

    In batch a step has ended when all of its bundles are committed: where one fails, the job does,
    and nothing leaves here. Counter: `released`, in all and by step and reason.

    Args:
        done: what these steps yield.
    """

    done: Sequence[PCollection[Any]]

    def expand(self, released: PCollection[Rejected]) -> PCollection[Rejected]:
        """Wait and count."""
        counted: Any = (
            released
            | "AwaitDone" >> beam.WaitOn(*self.done)
            | "CountRecord" >> beam.Map(_counted).with_output_types(Rejected)
        )
        return counted


def _record(candidate: Candidate) -> Rejected:
    return candidate.record


def _counted(record: Rejected) -> Rejected:
    count_outcome(Outcome.RELEASED, record)
    return record
