"""Decodes refused messages anew, by the contracts of now, and finds what the good ones touch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.archive_layout import HOUR
from schemas.candidates import Candidate, Touch, touch_of
from schemas.changes import MINUTE
from schemas.content import content_digest, id_digest
from schemas.contract import Contracts
from schemas.decoder import Decoder, Refusal
from schemas.events import MIN_MICROS, RawEvent
from schemas.feature_set import FeatureSet
from schemas.pseudonym import Pseudonymiser
from schemas.rejected import Reason, Rejected, reject
from schemas.replay_plan import readable
from schemas.times import DAY, MILLISECOND
from transforms.counters import counter
from transforms.feature_program import FeatureProgram
from transforms.release_outcomes import Outcome, count_outcome
from transforms.row_cells import Definitions

__all__ = ["Closed", "DecodeAnew", "DecodedAnew", "refused_again", "span_of", "touches_of"]

_UNTOUCHED = "untouched"
_REJECTED = "rejected"
_UNREADABLE = (ValueError, msgspec.DecodeError, RecursionError)
_NO_LONGER = Refusal(Reason.BAD_VALUE, "event: refused when it was decoded again")


class Closed(NamedTuple):
    """What of the past nothing changes any more; in microseconds.

    An event and its tiles are closed where they end `settling` before `to`, which the archive and
    the clock have passed, and where the message was published before `archived_to`. Of tiles that
    begin before `archived_from` the archive cannot have all events: it begins then.
    """

    to: int
    archived_to: int
    settling: int
    archived_from: int = MIN_MICROS

    def holds(self, end: int, publish_time: int | None) -> bool:
        """Return whether what ends then is closed, of a message that was published then.

        >>> Closed(100, 90, 20).holds(80, 89), Closed(100, 90, 20).holds(80, 90)
        (True, False)
        """
        archived = publish_time is None or publish_time < self.archived_to
        return archived and end + self.settling <= self.to


class DecodedAnew(NamedTuple):
    """What is good now and touches closed tiles; what is good and touches nothing; what is bad."""

    good: PCollection[Candidate]
    untouched: PCollection[Rejected]
    rejected: PCollection[Rejected]


@dataclass
class DecodeAnew(beam.PTransform[PCollection[Rejected], DecodedAnew]):
    """PCollection[Rejected] -> `DecodedAnew(good, untouched, rejected)`.

    A message is read as it would be had it come today, with its own publish time. What is still bad
    is refused with the attempt after its last one, and with the reason of now; its step stays, so
    all records of a message are in one folder. What is good is pseudonymised before anything
    leaves but the original record.

    A good message whose tiles are not closed is left as it is: counted as `not_yet`, and by the
    hour in which it will be as `not_yet.<hour>`. So is one whose tiles begin before the archive
    does: counted as `not_archived`. Other counters: `now_good`, `still_bad`. Bounded; any windows,
    elements keep theirs.

    Args:
        contracts: the event types that are known now.
        features: what is kept of each entity now.
        pseudonym_key: where the key is; None if nothing is personal.
        closed: what nothing changes any more.
        max_future: microseconds that an event may lie ahead of its publish time.
        max_event_bytes: the largest payload, as received and inflated.
        now: stands in for the publish time where there is none.
    """

    contracts: Contracts
    features: list[FeatureSet]
    pseudonym_key: str | None
    closed: Closed
    max_future: int = DAY
    max_event_bytes: int = 1_000_000
    now: int | None = None

    @no_annotations
    def expand(self, records: PCollection[Rejected]) -> DecodedAnew:
        """Decode one by one."""
        outputs = records | "DecodeRecords" >> (
            beam.ParDo(_Decode(self))
            .with_output_types(Candidate, untouched=Rejected, rejected=Rejected)
            .with_outputs(_UNTOUCHED, _REJECTED, main="good")
        )
        return DecodedAnew(outputs.good, outputs[_UNTOUCHED], outputs[_REJECTED])


def touches_of(program: FeatureProgram, record: Any, event_time: int) -> list[Touch]:
    """Return what one event touches: the values of all rows that would differ without it.

    `program` must be empty, and is left empty; `record` is pseudonymised; times in microseconds.
    """
    program.add(record, event_time, late=False)
    return sorted(map(touch_of, program.take()), key=lambda touch: touch.row_key)


def span_of(touches: list[Touch], event_time: int, definitions: Definitions) -> tuple[int, int]:
    """Return start and end of the time that holds an event and all tiles that it touches.

    The event alone takes its millisecond, which is the time of the cells of last values.
    """
    first = event_time // MILLISECOND * MILLISECOND
    starts, ends = [first], [first + MILLISECOND]
    for touch in touches:
        for slot, start in touch.tiles:
            starts.append(start * MINUTE)
            ends.append(start * MINUTE + definitions.tiles[slot].length)
    return min(starts), max(ends)


class _Decode(beam.DoFn):
    def __init__(self, given: DecodeAnew) -> None:
        self._given = given

    def setup(self) -> None:
        given = self._given
        self._decoder = Decoder(given.contracts, given.max_future, given.max_event_bytes)
        self._pseudonymiser = Pseudonymiser(given.contracts, given.pseudonym_key)
        self._program = FeatureProgram(given.contracts, given.features)
        self._definitions = Definitions(given.features)

    def process(self, record: Rejected) -> Iterator[Any]:
        found = self._read(record)
        if isinstance(found, Refusal):
            count_outcome(Outcome.STILL_BAD, record)
            yield TaggedOutput(_REJECTED, refused_again(record, found))
        elif found.touches and found.start < self._given.closed.archived_from:
            count_outcome(Outcome.NOT_ARCHIVED, record)
        elif not self._is_closed(found):
            count_outcome(Outcome.NOT_YET, record)
            hour = found.end + self._given.closed.settling
            counter(f"{Outcome.NOT_YET}.{readable(hour - hour % HOUR)}").inc()
        else:
            count_outcome(Outcome.NOW_GOOD, record)
            yield found if found.touches else TaggedOutput(_UNTOUCHED, record)

    def _read(self, record: Rejected) -> Candidate | Refusal:
        payload, attributes = record.payload, record.attributes
        published = self._given.now if record.publish_time is None else record.publish_time
        reading = self._decoder.read(payload, attributes, published)
        if isinstance(reading, Refusal):
            return reading
        event, event_time, drift = reading
        known = id_digest(event.event_id), content_digest(event, drift)
        try:
            # As the hot path does: it reads an event once for dedupe, and once for its values.
            event = self._decoder.reread(payload, attributes)
        except _UNREADABLE:
            return _NO_LONGER
        self._pseudonymiser.apply(event, record.publish_time)
        touches = touches_of(self._program, event, event_time)
        return Candidate(record, *known, *span_of(touches, event_time, self._definitions), touches)

    def _is_closed(self, found: Candidate) -> bool:
        if not found.touches:
            return True
        return self._given.closed.holds(found.end, found.record.publish_time)


def refused_again(record: Rejected, refusal: Refusal) -> Rejected:
    """Return the record of a message that was handed in again and refused."""
    raw = RawEvent(
        record.payload,
        record.attributes,
        record.message_id,
        record.publish_time,
        record.ordering_key,
    )
    again = reject(raw, record.step, refusal.reason, refusal.detail, refusal.event_time)
    return msgspec.structs.replace(again, job=record.job, attempt=record.attempt + 1)
