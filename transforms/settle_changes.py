"""Says what became of changes that were applied again, once all are written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.rejected import Rejected
from transforms.group_kinds import GroupKinds, of_kind
from transforms.release_outcomes import Outcome, count_outcome
from transforms.repair_touched import change_key

__all__ = ["SettleChanges", "Settled"]

_REJECTED = "rejected"


class Settled(NamedTuple):
    """Refused changes that are written now, and what was refused by this run."""

    written: PCollection[Rejected]
    rejected: PCollection[Rejected]


@dataclass
class SettleChanges(
    beam.PTransform[tuple[PCollection[tuple[bytes, Rejected]], PCollection[Rejected]], Settled]
):
    """(records by key of the change that was applied, refusals of the writer) -> `Settled`.

    A change that was refused again leaves as its first record, whole, with the next attempt and the
    status of now: counted as `refused_again`. The time of its first refusal stays too, since what
    was repaired after that must not be brought back by it. Refusals of other changes, of this run's
    own, leave as they are. The grouping waits for the writer, so what is `written` is. Bounded;
    global window.
    """

    @no_annotations
    def expand(self, given: tuple[PCollection[tuple[bytes, Rejected]], Any]) -> Settled:
        """Bring both together by change."""
        applied, refusals = given
        refused = refusals | "KeyRefusals" >> beam.Map(_keyed).with_output_types(
            tuple[bytes, Rejected]
        )
        outputs = (
            (applied, refused)
            | "GroupByChange" >> GroupKinds(bytes, (Rejected, Rejected))
            | "Settle"
            >> beam.ParDo(_Settle())
            .with_output_types(Rejected, rejected=Rejected)
            .with_outputs(_REJECTED, main="written")
        )
        return Settled(outputs.written, outputs.rejected)


class _Settle(beam.DoFn):
    def process(self, group: tuple[bytes, Iterable[bytes]]) -> Iterator[Any]:
        applied, refused = (list(of_kind(group[1], n, Rejected)) for n in (0, 1))
        if not applied:
            yield from (TaggedOutput(_REJECTED, record) for record in refused)
        for record in applied:
            if refused:
                count_outcome(Outcome.REFUSED_AGAIN, record)
                again = msgspec.structs.replace(
                    record, attempt=record.attempt + 1, detail=refused[0].detail
                )
                yield TaggedOutput(_REJECTED, again)
            else:
                yield record


def _keyed(refusal: Rejected) -> tuple[bytes, Rejected]:
    return change_key(refusal.payload), refusal
