"""What is settled at the launch of a streaming job with state: what it reads and what it covers."""

import dataclasses
import logging
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from pipelines.read_events import EventInput
from pipelines.warm_options import WarmConfig
from schemas.credentials import PUBSUB, require_credentials
from schemas.feature_set import FeatureSet
from schemas.locations import is_remote
from schemas.replay_plan import readable
from schemas.warm_span import warm_span
from transforms.archive_manifest import list_hours
from transforms.choose_sources import only_source
from transforms.peek_subscription import oldest_waiting

__all__ = ["ColdStart", "LiveJob", "longest_tile", "prepared", "tile_lengths"]

_LOG = logging.getLogger(__name__)
_MARGIN = 15 * 60_000_000
"""Longer than the lease of a job that is gone can hide a message, and messages come in no order."""


class LiveJob(NamedTuple):
    """What a start has to know of its job; times in microseconds.

    `now` is the moment of the launch, `longest_tile` the greatest length of its features' tiles; 0
    where it has none, and so withholds nothing.
    """

    subscription: str
    timestamp_attribute: str | None
    now: int
    horizon: int
    max_future: int
    longest_tile: int = 0

    @classmethod
    def of(cls, config: EventInput, longest_tile: int = 0) -> "LiveJob":
        """Return what the configuration of a job that reads a subscription says of it."""
        return cls(
            config.input_subscription or "",
            config.timestamp_attribute,
            config.now,
            config.horizon,
            config.max_future,
            longest_tile,
        )


def longest_tile(features: Iterable[FeatureSet]) -> int:
    """Return the greatest length of tiles in microseconds; 0 where there are none."""
    return max(tile_lengths(features), default=0)


def tile_lengths(features: Iterable[FeatureSet]) -> frozenset[int]:
    """Return the lengths of tiles that there are, in microseconds."""
    return frozenset(each.tile for entity in features for each in entity.features)


def prepared(warm: WarmConfig, job: LiveJob) -> tuple[WarmConfig, int]:
    """Return what is to be read of the archive, and from which event time on tiles are covered.

    Raises:
        CredentialsError: something is in Google Cloud, and there are no credentials.
        NoSourceError: the archive is none, or it is not clear which source is meant.
        ObjectStoreError: the archive cannot be listed.
        SubscriptionError: the subscription cannot be looked at.
    """
    if is_remote(warm.archive):
        require_credentials(f"--warm_from_archive={warm.archive}")
    source = only_source(warm.archive, warm.source or None, "warm_source")
    span = warm_span(_oldest(warm, job), job.horizon, job.longest_tile, job.max_future)
    covered = f"; tiles that begin from {readable(span.covers_from)} on are covered"
    _LOG.info(
        "warm start: source %s of %s is read from %s on%s",
        *(source, warm.archive, readable(span.start), covered if job.longest_tile else ""),
    )
    begins = _begins(warm.archive, source)
    if begins is not None and begins > span.start:
        _LOG.warning(
            "warm start: source %s of %s begins at %s, and what was published from %s on is needed:"
            " if the topic is older than its archive, %s",
            *(source, warm.archive, readable(begins), readable(span.start)),
            _lacking(begins, job),
        )
    return dataclasses.replace(warm, source=source, start=span.start), span.covers_from


class ColdStart(NamedTuple):
    """A launch without a warm start, of a job that covers only what comes from then on.

    `tiles` are the lengths of its features' tiles in microseconds. `own` are those of its options,
    with their values, that a repair of its tiles must have too, its sink among them.
    """

    now: int
    horizon: int
    tiles: frozenset[int]
    own: tuple[str, ...]

    def warn(self) -> None:
        """Say once which tiles are withheld, and how they are repaired."""
        _LOG.warning(
            "tiles that begin before %s are withheld: this job does not see all of their events; "
            "start with --warm_from_archive, or with --covers_from=beginning if subscription and "
            "table are new, or repair those tiles when they are closed: "
            "python -m pipelines.hot_path --input_archive=ARCHIVE --write_mode=repair --from=%s "
            "--to=%s %s --quarantine_output=FOLDER (--from: sooner, if the last job ended before)",
            readable(self.now),
            *map(readable, self.gap()),
            shlex.join(self.own),
        )

    def gap(self) -> tuple[int, int]:
        """Return the span of event time that live events may enter in vain.

        It holds wholly every tile in which an event may be and that begins before the launch.

        >>> ColdStart(now=1_005, horizon=20, tiles=frozenset({10, 4}), own=()).gap()
        (980, 1010)
        """
        tiles = self.tiles or {1}
        first = self.now - self.horizon
        return min(first // tile * tile for tile in tiles), max(
            -(-self.now // tile) * tile for tile in tiles
        )


def _oldest(warm: WarmConfig, job: LiveJob) -> int:
    if warm.span is not None:
        return job.now - warm.span
    require_credentials(f"--input_subscription={job.subscription}", PUBSUB)
    found = oldest_waiting(job.subscription, job.timestamp_attribute)
    return (job.now if found is None else min(found, job.now)) - _MARGIN


def _lacking(begins: int, job: LiveJob) -> str:
    """Say what an archive that begins too late leaves undone, or what mends it."""
    if job.longest_tile:
        return f"repair the tiles that begin before {readable(begins + job.max_future)}"
    return (
        f"copies of what was published before {readable(begins)} are not known as copies, and what "
        "the last job left unwritten of it is not written"
    )


def _begins(root: str, source: str) -> int | None:
    for hour in list_hours(root, source):
        if hour.entries:
            return min(entry.first_publish for entry in hour.entries)
    return None
