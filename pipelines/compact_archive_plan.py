"""What a compaction finds to do before it is launched, from names alone, and what it says of it."""

import dataclasses
import sys
from collections import Counter
from collections.abc import Iterator, Mapping

from pipelines.compact_archive_options import CompactArchiveConfig
from pipelines.options import UsageError
from schemas.archive_layout import HOUR
from schemas.compaction import choose
from schemas.credentials import require_credentials
from schemas.events import MIN_MICROS
from schemas.locations import is_remote
from schemas.sizes import format_size
from schemas.times import format_rfc3339
from transforms.archive_manifest import ArchivedHour, list_hours, read_marker
from transforms.choose_sources import choose_sources
from transforms.clean_hour import find_unfinished, find_waste

__all__ = ["prepare", "problem_of"]


def prepare(config: CompactArchiveConfig) -> CompactArchiveConfig | None:
    """Return the configuration with the hours to compact; a dry run prints them instead: None.

    Raises:
        NoSourceError: there is no such source.
        UsageError: nothing says where to end.
        CredentialsError: the archive is in Cloud Storage, and there are no credentials.
        ObjectStoreError: the archive cannot be listed.
    """
    if is_remote(config.archive):
        require_credentials(f"--archive={config.archive}")
    ends = _ends(config)
    if config.dry_run:
        _print(config, ends)
        return None
    found = tuple((hour.source, hour.start) for hour, _ in _hours(config, ends))
    return dataclasses.replace(config, hours=found)


def problem_of(counters: Mapping[str, int]) -> str | None:
    """Return the line with which a run ends that has left something undone; None: it has not.

    >>> problem_of({"bad_objects": 0, "hours": 3})
    """
    bad, unmerged = counters.get("bad_objects", 0), counters.get("hours_unmerged", 0)
    if not bad and not unmerged:
        return None
    return (
        f"{bad} bad objects, {unmerged} hours not merged: the log names them; "
        "everything else was compacted"
    )


def _ends(config: CompactArchiveConfig) -> dict[str, int]:
    """Return where to end, by source.

    By default before what may still be written to: an hour that has not ended long enough ago, or
    that the completeness marker has not passed, would be merged again and again.
    """
    chosen = choose_sources(config.archive, config.source)
    if config.last is not None:
        return dict.fromkeys(chosen, config.last)
    settled = config.now - config.settle
    found = {source: read_marker(config.archive, source) for source in chosen}
    ends = {source: min(settled, marker) for source, marker in found.items() if marker is not None}
    if not ends:
        msg = "--to is missing, and no completeness marker says up to where all is there; give one"
        raise UsageError(msg)
    for source in sorted(set(chosen).difference(ends)):
        sys.stderr.write(
            f"--source={source}: left out; no completeness marker: name it with --to\n"
        )
    return ends


def _hours(
    config: CompactArchiveConfig, ends: Mapping[str, int]
) -> Iterator[tuple[ArchivedHour, str | None]]:
    """Yield the hours in which there is something to do, with the line about a damaged record."""
    first = MIN_MICROS if config.first is None else config.first
    for source, end in ends.items():
        unread: list[str] = []
        last = end - end % HOUR
        for hour in list_hours(config.archive, source, first, last, unread.append):
            if unread or _has_work(config, hour):
                yield hour, unread[0] if unread else None
            unread.clear()


def _has_work(config: CompactArchiveConfig, hour: ArchivedHour) -> bool:
    return bool(
        hour.replaced
        or hour.orphans
        or find_unfinished(hour.folder, config.how, config.now)
        or choose(hour.entries, hour.replaced, hour.records, config.how).inputs
        or any(
            entry.object_name not in hour.objects
            or hour.objects[entry.object_name].size != entry.size
            for entry in hour.entries
        )
    )


def _print(config: CompactArchiveConfig, ends: Mapping[str, int]) -> None:
    sums: Counter[str] = Counter()
    for hour, unread in _hours(config, ends):
        name = f"{hour.source} {format_rfc3339(hour.start)}"
        if unread:
            sys.stdout.write(f"{name}: nothing; {unread}\n")
            continue
        chosen = choose(hour.entries, hour.replaced, hour.records, config.how).inputs
        there = [entry for entry in chosen if entry not in hour.missing]
        inputs = there if config.how.worth(there) else []
        waste = find_waste(hour, config.how, config.now)
        counts = {
            "hours": 1,
            "objects": len(inputs),
            "events": sum(entry.events for entry in inputs),
            "bytes": sum(entry.size for entry in inputs),
            "deleted": len(waste.replaced),
            "replaced": len(hour.replaced),
            "orphans_deleted": len(waste.orphans),
            "orphans": waste.orphans_found,
            "unfinished": len(waste.unfinished),
            "missing": len(hour.missing),
        }
        sums.update(counts)
        sys.stdout.write(f"{name}: {_told(counts)}\n")
    sys.stdout.write(f"{sums['hours']} hours: {_told(sums)}\n")


def _told(counts: Mapping[str, int]) -> str:
    unfinished = counts["unfinished"]
    return (
        f"merge {counts['objects']} objects ({counts['events']} events, "
        f"{format_size(counts['bytes'])}); delete {counts['deleted']} of {counts['replaced']} "
        f"replaced objects and {counts['orphans_deleted']} of {counts['orphans']} orphans"
        + (f"; delete {unfinished} unfinished files" if unfinished else "")
        + (f"; {counts['missing']} missing objects" if counts["missing"] else "")
    )
