"""Pub/Sub on any engine: Beam's source where it is good, a splittable one everywhere else."""

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.transforms.window import GlobalWindow, TimestampedValue
from apache_beam.utils.timestamp import MAX_TIMESTAMP, Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas.events import RawEvent
from schemas.packs import RawPack
from transforms.pubsub_messages import PACK_BYTES, PACK_MESSAGES, raw_of, row_times
from transforms.pubsub_raw import raw_pack, read_serialised
from transforms.pubsub_reader import PullPacks
from transforms.pubsub_session import SessionKey

__all__ = ["SOURCES", "PackMessages", "ReadMessages"]

SOURCES = ("auto", "beam", "portable")
"""The values of `--pubsub_source`."""

_NAME = re.compile(r"projects/[^/\s]+/subscriptions/[^/\s]+")
# By name: importing the Dataflow runner would cost every other job a second.
_DIRECT_RUNNERS = {"BundleBasedDirectRunner", "SwitchingDirectRunner"}
_BEAM_RUNNERS = {"DataflowRunner", *_DIRECT_RUNNERS}
_LATEST = int(MAX_TIMESTAMP.micros)


@dataclass
class ReadMessages(beam.PTransform[PBegin, PCollection[Any]]):
    """A subscription -> `RawEvent`, or `RawPack` of up to 500 of them, in the global window.

    The element's timestamp is the message's time: its publish time, or what `timestamp_attribute`
    says (epoch milliseconds or RFC 3339; unreadable or missing: the publish time). A pack has the
    least of its messages' times.

    **Source.** `beam` is Beam's `ReadFromPubSub`, `portable` a splittable DoFn of this suite;
    `auto` takes Beam's on Dataflow and on the direct runners, which have no other, and the portable
    one on every other engine, decided by the pipeline's runner when the transform is applied. What
    Beam's source reads is decoded pack by pack (`transforms.pubsub_raw`) where Beam's own decoding
    can be left out, and by Beam on the direct runners and where it cannot; records are the same. No
    `id_label` is ever used: Pub/Sub repeats messages, `transforms.deduplicate` removes them.

    **What each engine guarantees** (portable). A message is acknowledged when two bundles have been
    finalized one after the other: its own, and one that began after that (see
    `transforms.pubsub_turns`). Flink finalizes bundles when a checkpoint is complete, so a message
    is acknowledged once a *complete* checkpoint holds its effect, and a killed job loses nothing;
    without checkpoints nothing is ever acknowledged, and more than one concurrent checkpoint is
    not supported. Prism finalizes when a bundle's output is in its memory, so a failed bundle is
    delivered again, but a killed Prism takes with it what it had acknowledged. Dataflow (`beam`)
    acknowledges after its own durable commit; the direct runner acknowledges *before* processing.
    Every message comes once or more, in no order; it comes again after a failed bundle, a restart
    or a lost acknowledgement. A process that is killed leaves what it had leased hidden: it comes
    again after the subscription's deadline, or 30 s where it had been extended.

    **Bounds.** The readers of one process together never hold more than `max_outstanding_messages`
    unacknowledged messages, nor more than `max_outstanding_bytes` of payload, but for messages
    larger than any before. The engine may queue more: Prism has no back-pressure. Deadlines are
    extended by 30 s at a time while a bundle is open and while a message waits for its
    acknowledgement.

    **Watermark.** The oldest time unacknowledged or received lately, less `watermark_slack`; the
    clock less the slack once nothing is held and every reader of the process has asked in vain; it
    stands while the server cannot be reached, and never goes back. A message that is delivered
    again after a crash keeps its old time and can be behind it: nothing is dropped in the global
    window, while a window further on applies its allowed lateness. Where that must not be, let
    `restart_grace` outlast the deadlines of a dead job: until then the watermark stands at the
    beginning, and for as long after a failed request where it was. It is an estimate all the same:
    Pub/Sub does not tell how old its backlog is, and a backlog that comes in no order can be behind
    it as well.

    **Turns** (portable). A reader's messages leave in bundles, one a turn, and are acknowledged
    some turns later. A turn of a second or less ends with the first silence; a longer one, for
    batches that are formed by bundle, lasts its whole length once a message has come, or until the
    bounds above are reached. On Flink it keeps a checkpoint waiting for as long.

    **End.** With `stop_after_idle` the source ends once nothing came for so many seconds and all is
    acknowledged: windows and timers fire and the job ends by itself. Without, it never ends;
    draining stops it, and what was not acknowledged stays in the subscription.

    **Errors.** Transient ones (UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL,
    ABORTED) are tried again for ever with growing pauses; any other fails the job with the one line
    of `transforms.pubsub_client.SubscriptionError`, which names subscription and remedy.

    Args:
        subscription: `projects/PROJECT/subscriptions/NAME`.
        source: `auto`, `beam` or `portable`.
        readers: how many pull at the same time (portable).
        max_outstanding_messages: bound of the unacknowledged messages of a process (portable).
        max_outstanding_bytes: bound of their payloads (portable).
        timestamp_attribute: attribute that holds a message's time.
        watermark_slack: seconds by which messages may come out of order (portable).
        stop_after_idle: seconds without messages after which the source ends (portable).
        restart_grace: seconds from a process's start on in which there is no watermark (portable);
            40 outlasts what a killed process had leased, where the subscription's deadline is
            shorter.
        turn_seconds: the longest turn (portable).
        packed: return `RawPack` instead of `RawEvent`.
    """

    subscription: str
    source: str = "auto"
    readers: int = 2
    max_outstanding_messages: int = 100_000
    max_outstanding_bytes: int = 256 << 20
    timestamp_attribute: str | None = None
    watermark_slack: float = 2.0
    stop_after_idle: float | None = None
    packed: bool = False
    restart_grace: float = 0.0
    turn_seconds: float = 1.0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.subscription):
            _refuse("subscription", self.subscription, "projects/PROJECT/subscriptions/NAME")
        if self.source not in SOURCES:
            _refuse("source", self.source, f"one of {', '.join(SOURCES)}")
        for name in ("readers", "max_outstanding_messages", "max_outstanding_bytes"):
            if getattr(self, name) < 1:
                _refuse(name, getattr(self, name), "1 or more")
        for name in ("watermark_slack", "stop_after_idle", "restart_grace"):
            if (getattr(self, name) or 0) < 0:
                _refuse(name, getattr(self, name), "0 or more seconds")
        if self.turn_seconds <= 0:
            _refuse("turn_seconds", self.turn_seconds, "more than 0 seconds")
        if self.source == "beam" and self.stop_after_idle is not None:
            _refuse_end("source is beam")

    def expand(self, pbegin: PBegin) -> PCollection[Any]:
        """Read by the source that suits the pipeline's runner."""
        runner = pbegin.pipeline.runner
        if self._by_beam(runner):
            # The direct runners have a source of their own, which decodes.
            return self._read_by_beam(pbegin, serialised=not _is_one_of(_DIRECT_RUNNERS, runner))
        packs = self._pull(pbegin)
        if self.packed:
            return packs
        unpack = beam.FlatMap(_unpack, self.timestamp_attribute)
        return packs | "UnpackMessages" >> unpack.with_output_types(RawEvent)

    def _by_beam(self, runner: Any) -> bool:
        beams = self.source == "beam" or (
            self.source == "auto" and _is_one_of(_BEAM_RUNNERS, runner)
        )
        if beams and self.stop_after_idle is not None:
            _refuse_end(f"the runner is {type(runner).__name__}")
        return beams

    def _pull(self, pbegin: PBegin) -> PCollection[RawPack]:
        # Drawn for each pipeline: a job must not acknowledge what another one in this process read.
        job = uuid.uuid4().hex
        bounds = (self.max_outstanding_messages, self.max_outstanding_bytes)
        key = SessionKey(self.subscription, job, *bounds, self.watermark_slack, self.restart_grace)
        pull = PullPacks(key, self.timestamp_attribute, self.stop_after_idle, self.turn_seconds)
        return (
            pbegin
            | "CountReaders" >> beam.Create(range(self.readers))
            # A plain step of our own before the splittable one. Prism finalizes every bundle of a
            # stage that *begins* with a splittable DoFn with a finalizer, also if it only prepares
            # the restrictions, and the SDK answers that with "not in a finalizable state".
            | "NameReaders" >> beam.Map(str).with_output_types(str)
            | "PullPacks" >> beam.ParDo(pull).with_output_types(RawPack)
        )

    def _read_by_beam(self, pbegin: PBegin, *, serialised: bool) -> PCollection[Any]:
        bare = read_serialised(self.subscription, self.timestamp_attribute) if serialised else None
        read = bare or ReadFromPubSub(
            subscription=self.subscription,
            with_attributes=True,
            timestamp_attribute=self.timestamp_attribute,
        )
        messages = pbegin | "ReadFromPubSub" >> read
        if bare and self.packed:
            return messages | "PackMessages" >> beam.ParDo(PackMessages(serialised=True))
        taken = beam.Map(_raw_event if bare else raw_of).with_output_types(RawEvent)
        raws = messages | "TakeMessages" >> taken
        return raws | "PackMessages" >> beam.ParDo(PackMessages()) if self.packed else raws


class PackMessages(beam.DoFn):
    """`RawEvent` -> `RawPack` of one bundle's messages, with the least of their timestamps.

    Args:
        serialised: the elements are serialised messages instead, which are decoded pack by pack.
    """

    _oldest: int

    def __init__(self, *, serialised: bool = False) -> None:
        self._serialised = serialised
        self._begin()

    def start_bundle(self) -> None:
        """Begin with nothing, also after a bundle that failed."""
        self._begin()

    def process(
        self, element: Any, timestamp: Timestamp = beam.DoFn.TimestampParam
    ) -> Iterable[RawPack]:
        """Take a message; hand on the pack that it does not fit into any more."""
        size = len(element if self._serialised else element.payload)
        fits = len(self._rows) < PACK_MESSAGES and self._size + size <= PACK_BYTES
        full = () if fits else self._packed()
        self._rows.append(element)
        self._size += size
        # Beam's timestamps are compared at the cost of decoding a message.
        self._oldest = min(self._oldest, int(timestamp.micros))
        return full

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Hand on the last pack."""
        for stamped in self._packed():
            yield WindowedValue(stamped.value, stamped.timestamp, (GlobalWindow(),))

    def _begin(self) -> None:
        self._rows: list[Any] = []
        self._size = 0
        self._oldest = _LATEST

    def _packed(self) -> Iterable[Any]:
        rows, oldest = self._rows, Timestamp(micros=self._oldest)
        self._begin()
        pack_of = raw_pack if self._serialised else RawPack.of
        return [TimestampedValue(pack_of(rows), oldest)] if rows else []


def _is_one_of(names: set[str], runner: Any) -> bool:
    return any(each.__name__ in names for each in type(runner).__mro__)


def _raw_event(serialised: bytes) -> RawEvent:
    return raw_pack([serialised]).row(0)


def _unpack(pack: RawPack, attribute: str | None) -> Iterator[TimestampedValue]:
    for index, time in enumerate(row_times(pack, attribute)):
        yield TimestampedValue(pack.row(index), Timestamp(micros=time))


def _refuse(name: str, value: object, remedy: str) -> None:
    message = f"{name}={value!r}: give {remedy}"
    raise ValueError(message)


def _refuse_end(because: str) -> None:
    message = (
        f"stop_after_idle needs the portable source, but {because}: take --pubsub_source=portable "
        "on Prism or Flink, or leave stop_after_idle out"
    )
    raise ValueError(message)
