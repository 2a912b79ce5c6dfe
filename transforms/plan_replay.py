"""Plans a replay from the names in the manifest: which objects it reads, and how much that is."""

from collections.abc import Iterator

from schemas.manifest import ManifestEntry
from schemas.replay_plan import ReplayPlan, ReplaySpan, readable
from transforms.archive_manifest import list_hours
from transforms.choose_sources import only_source

__all__ = ["CannotReplayError", "first_published", "needed_objects", "plan_replay"]


class CannotReplayError(ValueError):
    """There is nothing to replay: one line with the remedy."""


def needed_objects(root: str, source: str, span: ReplaySpan) -> Iterator[tuple[str, ManifestEntry]]:
    """Yield the folder and the entry of each object that may hold something of a span.

    By hour, and in it by publish time; the names of one day are in memory at a time.
    """
    for hour in list_hours(root, source, span.published_from, span.published_to):
        for entry in hour.entries:
            if span.needs(entry):
                yield hour.folder, entry


def first_published(root: str, source: str) -> int | None:
    """Return when the oldest message of a source was published, in microseconds; None: no message.

    The names of all days and those of the first one are listed.

    Raises:
        ObjectStoreError: the archive cannot be listed.
    """
    # What replaces what does not matter here, so a damaged record is for others to complain of.
    hours = list_hours(root, source, on_bad_record=_pass_over)
    return next((hour.entries[0].first_publish for hour in hours if hour.entries), None)


def plan_replay(root: str, source: str | None, span: ReplaySpan) -> ReplayPlan:
    """Return what a replay of a span will read; no object is opened.

    Args:
        root: of the archive.
        source: None: the only one that there is.
        span: as made by `ReplaySpan.of`.

    Raises:
        CannotReplayError: no object holds any of it.
        NoSourceError: the source is not there, or not clear.
        ObjectStoreError: the archive cannot be listed.
    """
    chosen = only_source(root, source)
    objects = events = size = 0
    for _, entry in needed_objects(root, chosen, span):
        objects += 1
        events += entry.events
        size += entry.size
    if not objects:
        raise CannotReplayError(_nothing(root, chosen))
    return ReplayPlan(root, chosen, span, objects, events, size)


def _pass_over(line: str) -> None:
    pass


def _nothing(root: str, source: str) -> str:
    """Say what the archive holds instead."""
    first = last = None
    for hour in list_hours(root, source):
        for entry in hour.entries:
            first = entry.first_publish if first is None else min(first, entry.first_publish)
            last = entry.last_publish if last is None else max(last, entry.last_publish)
    if first is None or last is None:
        there = "there is nothing"
    else:
        there = f"it was published from {readable(first)} to {readable(last)}"
    return f"{root}: nothing of source {source} in that range; {there}; change --from and --to"
