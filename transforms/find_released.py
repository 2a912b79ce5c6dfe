"""Finds released messages among the unique events of the archive."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.candidates import Candidate
from schemas.decoder import Refusal
from schemas.packs import EventPack
from schemas.rejected import Reason, Rejected
from transforms.decode_anew import refused_again
from transforms.group_kinds import GroupKinds, of_kind
from transforms.key_packs import shard_of
from transforms.release_outcomes import Outcome, count_outcome

__all__ = ["FindReleased", "Found", "standing_of"]

_REJECTED = "rejected"
_DIGEST = 16
_KINDS = (Candidate, bytes)
_CONFLICT = Refusal(Reason.ID_CONFLICT, "event_id: already used by an event with other content")


class Found(NamedTuple):
    """Candidates whose event counts in the archive, and those whose id belongs to another event."""

    released: PCollection[Candidate]
    rejected: PCollection[Rejected]


@dataclass
class FindReleased(beam.PTransform[tuple[PCollection[Candidate], PCollection[EventPack]], Found]):
    """(candidates, packs of unique events) -> `Found(released, rejected)`.

    What is not in the archive, as where that was deleted, is counted as `not_archived` and leaves
    by neither: it stays as it is, and none of its tiles is computed anew from an archive that may
    lack more. A conflict is refused with the next attempt and counted as `conflict_found`. Bounded;
    global window.

    Args:
        shards: as of the packs.
    """

    shards: int

    @no_annotations
    def expand(self, given: tuple[PCollection[Candidate], PCollection[EventPack]]) -> Found:
        """Bring both together by shard of the event id."""
        candidates, packs = given
        asked = candidates | "KeyCandidates" >> beam.Map(_keyed, self.shards).with_output_types(
            tuple[int, Candidate]
        )
        known = packs | "NameEvents" >> beam.FlatMap(_names, self.shards).with_output_types(
            tuple[int, bytes]
        )
        outputs = (
            (asked, known)
            | "GroupByShard" >> GroupKinds(int, _KINDS)
            | "FindEvents"
            >> beam.ParDo(_Find())
            .with_output_types(Candidate, rejected=Rejected)
            .with_outputs(_REJECTED, main="released")
        )
        return Found(outputs.released, outputs.rejected)


def standing_of(asked: Iterable[bytes], known: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return, of the ids that are asked for, the content that counts in the archive.

    `known` are event ids and contents, 16 bytes each, joined to any length.
    """
    wanted, found = set(asked), {}
    for names in known:
        for at in range(0, len(names), 2 * _DIGEST):
            event_id = names[at : at + _DIGEST]
            if event_id in wanted:
                found[event_id] = names[at + _DIGEST : at + 2 * _DIGEST]
    return found


class _Find(beam.DoFn):
    def process(self, group: tuple[int, Iterable[bytes]]) -> Iterator[Any]:
        asked = list(of_kind(group[1], 0, Candidate))
        if not asked:
            return
        found = standing_of((each.event_id for each in asked), of_kind(group[1], 1, bytes))
        for each in asked:
            content = found.get(each.event_id)
            if content is None:
                count_outcome(Outcome.NOT_ARCHIVED, each.record)
            elif content != each.content:
                count_outcome(Outcome.CONFLICT, each.record)
                yield TaggedOutput(_REJECTED, refused_again(each.record, _CONFLICT))
            else:
                yield each


def _keyed(candidate: Candidate, shards: int) -> tuple[int, Candidate]:
    return shard_of(candidate.event_id, shards), candidate


def _names(pack: EventPack, shards: int) -> Iterator[tuple[int, bytes]]:
    by_shard: defaultdict[int, list[bytes]] = defaultdict(list)
    for event_id, content in zip(pack.ids, pack.contents, strict=True):
        by_shard[shard_of(event_id, shards)].append(event_id + content)
    for shard, names in by_shard.items():
        yield shard, b"".join(names)
