"""Merges the small objects of one hour of the archive into few large ones, and switches to them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.archive_avro import BadObjectError, digest_of
from schemas.archive_rows import Draft, Tally, draft_objects, merge_rows, proven_packs
from schemas.compaction import Choice, Compaction, choose
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from transforms.archive_manifest import ArchivedHour
from transforms.object_store import create_object, read_object

__all__ = ["Report", "merge_hour"]

# Whoever puts something else under the names of that many variants does so on purpose.
_VARIANTS = 16


@dataclass
class Report:
    """What was done in an hour: `counts` by the name of a counter, `problems` of one line each."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def bad(self, path: str, error: BadObjectError) -> None:
        """Name and count an object that is not what the archive wrote."""
        self.counts["bad_objects"] += 1
        self.problems.append(f"{path}: {error}; left as it is: restore it, or move it away")

    def unmerged(self, folder: str, reason: str) -> None:
        """Name and count an hour that was not merged."""
        self.counts["hours_unmerged"] += 1
        self.problems.append(f"{folder}: {reason}; its objects still count")


class _Proven(NamedTuple):
    """An object whose bytes and count have been proven; the times are those of its messages."""

    entry: ManifestEntry
    first: int
    last: int


class _UnprovenError(RuntimeError):
    """An output does not hold what it was made of, or cannot be stored: one line."""


def merge_hour(hour: ArchivedHour, how: Compaction, clock: Callable[[], int]) -> Report:
    """Merge the small objects of an hour and put the outputs in their place in the manifest.

    All inputs are proven before the first output is written. Outputs are written, read back and
    compared with the inputs by count and digest of all messages; then the record of what they
    replace is written, and last their entries, of which the last one is the switch: until then the
    record counts for nothing. Names depend on the content only, so what is done again is found
    there. A bad input is named and left out; its hour is merged without it.

    Raises:
        ObjectStoreError: the place cannot be listed, read or written.

    Args:
        hour: as it was listed just before.
        how: sizes and codec.
        clock: microseconds since the epoch.
    """
    report, begun = Report(), clock()
    choice = choose(hour.entries, hour.replaced, hour.records, how)
    _look_at_the_rest(hour, choice, report)
    tally = Tally()
    inputs = [found for entry in choice.inputs if (found := _proven(hour, entry, tally, report))]
    if not how.worth([each.entry for each in inputs]):
        return report
    try:
        outputs = _write(hour, inputs, tally, how, begun)
    except _UnprovenError as error:
        report.unmerged(hour.folder, str(error))
        return report
    if _switched(hour, choice, inputs, outputs, lambda: clock() - begun > how.grace // 2):
        _count(report, inputs, outputs)
    else:
        report.unmerged(hour.folder, "took longer than half of the grace, give a longer one")
    return report


def _look_at_the_rest(hour: ArchivedHour, choice: Choice, report: Report) -> None:
    """Name what stays as it is and is not what its entry says, as far as the listing tells."""
    for entry in hour.entries:
        listed = hour.objects.get(entry.object_name)
        if entry not in choice.inputs and (listed is None or listed.size != entry.size):
            # A listing beside a writer may miss what is there: only reading tells.
            _proven(hour, entry, Tally(), report)


def _proven(
    hour: ArchivedHour, entry: ManifestEntry, tally: Tally, report: Report
) -> _Proven | None:
    """Prove an object and add its messages to the tally, all or none."""
    path, own = hour.path_of(entry), Tally(tally.count, tally.total)
    first, last = entry.first_publish, entry.last_publish
    try:
        for pack in proven_packs(entry, read_object(path)):
            own.add(pack)
            times = [time or 0 for time in pack.publish_times or []]
            first, last = min(first, *times), max(last, *times)
    except BadObjectError as error:
        report.bad(path, error)
        return None
    tally.count, tally.total = own.count, own.total
    return _Proven(entry, first, last)


def _write(
    hour: ArchivedHour, inputs: Sequence[_Proven], tally: Tally, how: Compaction, begun: int
) -> list[ManifestEntry]:
    """Write and prove the outputs; return their entries, which are not written yet."""

    def load(place: int) -> Iterator[RawPack]:
        path = hour.path_of(inputs[place].entry)
        return _as_proven(path, inputs[place].entry, read_object(path))

    spans = [(each.first, each.last) for each in inputs]
    seed = hashlib.blake2b("".join(each.entry.digest for each in inputs).encode()).digest()
    merged = merge_rows(spans, load, how.max_bytes)
    written = Tally()
    outputs = []
    for draft in draft_objects(merged, how.codec, how.target_bytes, seed):
        entries = [inputs[place].entry for place in draft.places]
        outputs.append(_stored(hour, draft, _event_span(entries), written, how, begun))
        # Or it would be in memory until the next one is there as well.
        del draft
    if written != tally:
        msg = f"{tally.count} messages were read, but not the same {written.count} written"
        raise _UnprovenError(msg)
    return outputs


def _stored(
    hour: ArchivedHour,
    draft: Draft,
    event_span: tuple[int | None, int | None],
    written: Tally,
    how: Compaction,
    begun: int,
) -> ManifestEntry:
    """Write an output under a name that is free for it, read it back, and add it to the tally."""
    for number in range(_VARIANTS):
        content = draft.content(number)
        entry = ManifestEntry(
            digest=digest_of(content),
            events=draft.events,
            size=len(content),
            first_publish=draft.first_publish,
            last_publish=draft.last_publish,
            first_event=event_span[0],
            last_event=event_span[1],
            codec=how.codec,
        )
        if _is_taken(hour, entry, begun - how.grace // 2):
            continue
        path = hour.path_of(entry)
        create_object(path, content)
        # The blocks are there still: of the whole, one copy at a time is enough.
        del content
        found = read_object(path)
        if found is not None and digest_of(found) == entry.digest:
            for pack in _as_proven(path, entry, found):
                written.add(pack)
            return entry
    msg = f"{entry.object_name}: not what was written, and so are all others of the same messages"
    raise _UnprovenError(msg)


def _as_proven(path: str, entry: ManifestEntry, content: bytes | None) -> Iterator[RawPack]:
    """Yield the messages of an object that was good a moment ago."""
    try:
        yield from proven_packs(entry, content)
    except BadObjectError as error:
        msg = f"{path}: {error}, but was whole before"
        raise _UnprovenError(msg) from None


def _is_taken(hour: ArchivedHour, entry: ManifestEntry, oldest: int) -> bool:
    """Return whether an object of this name is about to be deleted, or may have been.

    Either it has been replaced itself, or it is an old orphan, which another run may delete at this
    moment.
    """
    if any(entry.digest in record.replaces for record in hour.records):
        return True
    listed = hour.objects.get(entry.object_name)
    entered = any(entry.digest == known.digest for known in hour.entries)
    return listed is not None and not entered and listed.modified < oldest


def _event_span(entries: Sequence[ManifestEntry]) -> tuple[int | None, int | None]:
    """Return the span of the event times of all objects; None where one does not tell."""
    firsts = [entry.first_event for entry in entries if entry.first_event is not None]
    lasts = [entry.last_event for entry in entries if entry.last_event is not None]
    if len(firsts) < len(entries) or len(lasts) < len(entries):
        return None, None
    return min(firsts), max(lasts)


def _switched(
    hour: ArchivedHour,
    choice: Choice,
    inputs: Sequence[_Proven],
    outputs: Sequence[ManifestEntry],
    too_late: Callable[[], bool],
) -> bool:
    """Write the record, then the entries; stop where it has become too late for that.

    Objects without entries are deleted after the grace: what is entered must be far from it.
    """
    digests = [entry.digest for entry in outputs]
    record = choice.replaced_by(digests, [each.entry.digest for each in inputs])
    for name, content in (
        (record.name, record.to_json()),
        *((entry.name, entry.to_json()) for entry in outputs),
    ):
        if too_late():
            return False
        create_object(f"{hour.folder}/{name}", content)
    return True


def _count(report: Report, inputs: Sequence[_Proven], outputs: Sequence[ManifestEntry]) -> None:
    report.counts.update(
        objects_read=len(inputs),
        objects_written=len(outputs),
        events=sum(entry.events for entry in outputs),
        bytes_before=sum(each.entry.size for each in inputs),
        bytes_after=sum(entry.size for entry in outputs),
    )
