"""The portable source on Prism against real Pub/Sub emulators: nothing is lost, everything ends.

What this cannot show: Flink's checkpoints (the simulation in tests/transforms/test_pubsub_turns.py
stands for them) and a Prism that is killed, which promises nothing.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.transforms.window import FixedWindows
from google.pubsub_v1.types import PubsubMessage

from local.resources import PubsubEmulator
from local.services import exported
from schemas.events import RawEvent
from schemas.packs import RawPack
from tests.tcp_proxy import TcpProxy
from transforms.pubsub_client import refusal_in
from transforms.read_messages import ReadMessages

pytestmark = [pytest.mark.emulator, pytest.mark.prism]

# Prism's LOOPBACK environment runs the pipeline's functions in this process.
SEEN: list[RawEvent] = []
PANES: list[tuple[float, int]] = []
AFTER: dict[str, Callable[[RawEvent], None]] = {}


@pytest.fixture(autouse=True)
def _nothing_seen() -> Iterator[None]:
    SEEN.clear()
    PANES.clear()
    AFTER.clear()
    yield
    end = time.monotonic() + 10
    while keepers := [each for each in threading.enumerate() if each.name == "pubsub-keeper"]:
        assert time.monotonic() < end, f"a job left its session open: {keepers}"
        time.sleep(0.05)


def see(raw: RawEvent) -> RawEvent:
    AFTER.get("each", lambda _: None)(raw)
    SEEN.append(raw)
    return raw


def fail_at_250(raw: RawEvent) -> None:
    if raw.payload == b"250":
        message = "this bundle fails"
        raise RuntimeError(message)


def see_pack(pack: RawPack) -> None:
    SEEN.extend(pack.row(index) for index in range(len(pack)))


def note_pane(pane: tuple[int, int]) -> None:
    PANES.append((time.time(), pane[1]))


def bodies() -> Counter[bytes]:
    return Counter(raw.payload for raw in SEEN)


def publish(emulator: PubsubEmulator, topic: str, first: int, count: int, **fields) -> set[bytes]:
    payloads = [b"%d" % n for n in range(first, first + count)]
    for start in range(0, count, 500):
        messages = [PubsubMessage(data=data, **fields) for data in payloads[start : start + 500]]
        emulator.publisher.publish(topic=topic, messages=messages)
    return set(payloads)


def read(prism, subscription: str, stop_after_idle: float = 1.0, then=None, **settings):
    """Run a job until its source has been idle; it must end by itself."""
    pipeline = beam.Pipeline(
        options=PipelineOptions(
            runner="PrismRunner",
            prism_location=str(prism),
            streaming=True,
            environment_type="LOOPBACK",
        )
    )
    source = ReadMessages(subscription, stop_after_idle=stop_after_idle, **settings)
    _ = pipeline | source | "Then" >> (then or beam.Map(see))
    pipeline.run().wait_until_finish()


class CountByWindow(beam.PTransform):
    def expand(self, raws):
        keyed = raws | beam.Map(lambda _: (0, 1)).with_output_types(tuple[int, int])
        windowed = keyed | beam.WindowInto(FixedWindows(1), allowed_lateness=0)
        return windowed | beam.CombinePerKey(sum) | beam.Map(note_pane)


@pytest.mark.parametrize("pubsub_emulator", ["go", "java"], indirect=True)
def test_every_message_comes_and_is_acknowledged_before_the_job_ends(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    sent = publish(pubsub_emulator, topic, 0, 3_000, attributes={"k": "v"})
    pubsub_emulator.publisher.publish(
        topic=topic, messages=[PubsubMessage(attributes={"only": "1"})]
    )
    read(prism_binary, subscription)
    assert set(bodies()) == sent | {b""}
    assert {raw.attributes.get("k") for raw in SEEN if raw.payload} == {"v"}
    assert all(raw.message_id and raw.publish_time for raw in SEEN)
    # Longer than the deadline: what was not acknowledged would be delivered again.
    time.sleep(11)
    SEEN.clear()
    read(prism_binary, subscription)
    assert SEEN == []


def test_large_messages_come_however_many_are_in_one_answer(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    sent = {bytes([n]) * 1_000_000 for n in range(9)}
    for payload in sent:
        pubsub_emulator.publisher.publish(topic=topic, messages=[PubsubMessage(data=payload)])
    read(prism_binary, subscription)
    assert bodies() == Counter(sent)


def test_packs_carry_the_same_messages(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic)
    sent = publish(pubsub_emulator, topic, 0, 2_000)
    read(prism_binary, subscription, then=beam.Map(see_pack), packed=True)
    assert set(bodies()) == sent


def test_what_another_subscriber_let_expire_is_delivered_again(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    sent = publish(pubsub_emulator, topic, 0, 200)
    pulled = pubsub_emulator.subscriber.pull(subscription=subscription, max_messages=100)
    lost = [each.ack_id for each in pulled.received_messages]
    assert lost
    pubsub_emulator.subscriber.modify_ack_deadline(
        subscription=subscription, ack_ids=lost, ack_deadline_seconds=2
    )
    read(prism_binary, subscription, stop_after_idle=4)
    assert set(bodies()) == sent


def test_a_deadline_is_extended_while_a_slow_bundle_is_open(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    sent = publish(pubsub_emulator, topic, 0, 3)
    AFTER["each"] = lambda raw: time.sleep(12 if raw.payload == b"0" else 0)
    read(prism_binary, subscription, readers=2)
    assert bodies() == Counter(sent)


def test_a_connection_that_is_cut_and_comes_back_loses_nothing(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    sent = publish(pubsub_emulator, topic, 0, 2_000)
    with (
        TcpProxy(pubsub_emulator.address) as proxy,
        exported({"PUBSUB_EMULATOR_HOST": proxy.address}),
    ):
        threading.Thread(target=_cut_twice, args=(proxy,), daemon=True).start()
        AFTER["each"] = lambda _: time.sleep(0.001)
        sent |= publish(pubsub_emulator, topic, 2_000, 1_000)
        read(prism_binary, subscription, stop_after_idle=12)
        assert proxy.connections > 1
    assert set(bodies()) == sent


def _cut_twice(proxy: TcpProxy) -> None:
    for _ in range(2):
        while not SEEN or proxy.connections == 0:
            time.sleep(0.01)
        time.sleep(0.3)
        proxy.cut()
        time.sleep(2)
        proxy.restore()
        time.sleep(1)


def test_a_failed_bundle_is_not_acknowledged_and_comes_again(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    sent = publish(pubsub_emulator, topic, 0, 500)
    AFTER["each"] = fail_at_250
    with pytest.raises(RuntimeError, match="this bundle fails"):
        read(prism_binary, subscription)
    AFTER.clear()
    SEEN.clear()
    # The failed job gave its messages back: no deadline has to pass.
    read(prism_binary, subscription, stop_after_idle=3)
    assert set(bodies()) == sent


def test_a_missing_subscription_ends_the_job_soon_with_one_line(pubsub_emulator, prism_binary):
    missing = f"projects/{pubsub_emulator.project}/subscriptions/missing"
    began = time.monotonic()
    with pytest.raises(RuntimeError) as error:
        read(prism_binary, missing)
    assert time.monotonic() - began < 20
    remedy = "does not exist; create it, or correct the name (NOT_FOUND)."
    assert refusal_in(error.value) == f"Pub/Sub subscription {missing} {remedy}"


def test_windows_close_on_time_without_traffic(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic)
    publish(pubsub_emulator, topic, 0, 10)
    began = time.time()
    read(prism_binary, subscription, stop_after_idle=8, then=CountByWindow(), watermark_slack=1)
    assert sum(count for _, count in PANES) == 10
    assert PANES[0][0] - began < time.time() - began - 3


def test_a_backlog_read_by_several_readers_has_no_late_message(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=60)
    for burst in range(5):
        publish(pubsub_emulator, topic, burst * 2_000, 2_000)
        time.sleep(1)
    read(prism_binary, subscription, then=CountByWindow(), readers=3)
    assert sum(count for _, count in PANES) == 10_000


def test_a_tight_bound_slows_reading_but_loses_nothing(pubsub_emulator, prism_binary):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic)
    sent = publish(pubsub_emulator, topic, 0, 300)
    read(prism_binary, subscription, max_outstanding_messages=50)
    assert set(bodies()) == sent


@pytest.mark.parametrize("packed", [False, True])
def test_beams_source_gives_the_same_records_on_the_bundle_based_runner(pubsub_emulator, packed):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic)
    sent = publish(pubsub_emulator, topic, 0, 100, attributes={"k": "v"}, ordering_key="o")
    pipeline = beam.Pipeline(
        runner=BundleBasedDirectRunner(), options=PipelineOptions(streaming=True)
    )
    then = beam.Map(see_pack) if packed else beam.Map(see)
    _ = pipeline | ReadMessages(subscription, packed=packed) | "Then" >> then
    result = pipeline.run()
    end = time.monotonic() + 30
    while len(SEEN) < 100 and time.monotonic() < end:
        time.sleep(0.1)
    result.cancel()
    assert set(bodies()) == sent
    assert {(raw.attributes["k"], raw.ordering_key) for raw in SEEN} == {("v", "o")}
    assert all(raw.message_id and raw.publish_time for raw in SEEN)
