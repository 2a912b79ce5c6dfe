"""Where the messages of a job come from: a subscription, files or the raw archive."""

from dataclasses import dataclass
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection

from pipelines.option_words import Kind, Words
from pipelines.options import UsageError, count, duration, one_of, text
from pipelines.replay_options import ReplayConfig
from pipelines.warm_options import WarmConfig
from schemas.packs import RawPack
from schemas.rejected import Rejected
from schemas.times import SECOND
from transforms.follow_archive import FollowArchive
from transforms.read_archive import ReadArchive
from transforms.read_lines import ReadLines
from transforms.read_messages import SOURCES, ReadMessages

__all__ = ["INPUTS", "LIVE_ONLY_WITH", "PUBSUB", "EventInput", "pubsub_values", "read_events"]

INPUTS = ("input_subscription", "input_files", "input_archive")
"""The options that name a source, of which a job takes one."""
PUBSUB = {
    "pubsub_source": Words(
        "how the subscription is read", Kind.CHOICE, default="auto", choices=SOURCES
    ),
    "timestamp_attribute": Words("attribute that holds the event time", example="event_time"),
    "watermark_slack": Words("own source: slack of the watermark", Kind.DURATION, default="2s"),
    "readers": Words("own source: parallel readers", Kind.COUNT, default="2"),
    "stop_after_idle": Words("own source: end after this idle time", Kind.DURATION),
}
"""The options of reading Pub/Sub, for `add_options`; they go with a subscription."""
LIVE_ONLY_WITH = {
    "input_subscription": (*PUBSUB, "warm_from_archive"),
    "warm_from_archive": ("warm_span", "warm_source"),
}
"""What of a live job, with a warm start or without, does nothing without another option."""


@dataclass(frozen=True, kw_only=True)
class EventInput:
    """What the configuration of every job that reads events says of its source.

    And of what it refuses: `quarantine_output` may be "" where nothing but a plan is wanted.

    Times in microseconds. `replay` is None where no archive is read, `warm` where the start is no
    warm one; `now` is that of the launch. In a stream copies of an event are at most `horizon`
    apart, and an event is at most `max_future` ahead of its publish time. `job` is the name that
    stands in the quarantine, by which a release tells whose rows a message was for; that of the hot
    path is empty.
    """

    job: ClassVar[str] = ""

    input_subscription: str | None
    input_files: str | None
    replay: ReplayConfig | None
    warm: WarmConfig | None
    now: int
    horizon: int
    max_future: int
    quarantine_output: str
    pubsub_source: str
    timestamp_attribute: str | None
    watermark_slack: int
    readers: int
    stop_after_idle: int | None

    @property
    def provenance(self) -> dict[str, str]:
        """What the counters say of where a replay's events came from; nothing of other runs."""
        return {} if self.replay is None else self.replay.told()

    @property
    def begins(self) -> int | None:
        """When what is asked for begins, in event time; None of files, of which nobody knows.

        Of a live job the launch, although it may be handed what was published before.
        """
        if self.replay is not None:
            return self.replay.span.start
        return self.now if self.input_subscription else None


def pubsub_values(given: PipelineOptions) -> dict[str, Any]:
    """Return the checked values of the options of `PUBSUB`, as `EventInput` takes them.

    Raises:
        UsageError: one line that names the option and the remedy.
    """
    return {
        "pubsub_source": one_of("pubsub_source", given.pubsub_source, SOURCES, "auto"),
        "timestamp_attribute": text(given.timestamp_attribute),
        "watermark_slack": duration("watermark_slack", given.watermark_slack, "2s"),
        "readers": count("readers", given.readers, 2),
        "stop_after_idle": duration("stop_after_idle", given.stop_after_idle, "0") or None,
    }


def read_events(
    pipeline: beam.Pipeline, config: EventInput
) -> tuple[PCollection[RawPack], list[PCollection[Rejected]]]:
    """Read the source; what of it cannot be read, where that is no failure, comes beside.

    Raises:
        UsageError: no such files.
    """
    if config.replay:
        replay = config.replay
        read = pipeline | "ReadArchive" >> ReadArchive(
            replay.archive, replay.source, replay.span, replay.on_bad_object
        )
        return read.packs, [read.rejected]
    if config.input_files:
        try:
            return pipeline | "ReadFiles" >> ReadLines(config.input_files), []
        except (OSError, ValueError) as error:
            msg = f"--input_files={config.input_files}: {error}; name files, or a glob of files"
            raise UsageError(msg) from None
    messages = pipeline | "ReadPubSub" >> ReadMessages(
        config.input_subscription or "",
        source=config.pubsub_source,
        readers=config.readers,
        timestamp_attribute=config.timestamp_attribute,
        watermark_slack=config.watermark_slack / SECOND,
        stop_after_idle=config.stop_after_idle and config.stop_after_idle / SECOND,
        packed=True,
    )
    return (messages if config.warm is None else _with_archive(messages, config)), []


def _with_archive(messages: PCollection[RawPack], config: EventInput) -> PCollection[RawPack]:
    assert config.warm is not None
    warm = messages.pipeline | "FollowArchive" >> FollowArchive(
        config.warm.archive,
        config.warm.source,
        config.warm.start,
        config.now,
        timestamp_attribute=config.timestamp_attribute,
    )
    both: PCollection[RawPack] = (warm, messages) | "FlattenWarm" >> beam.Flatten()
    return both
