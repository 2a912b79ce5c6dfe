"""How long a turn reads, and when a session's watermark begins, against a server of the test's."""

import threading
import time
from collections.abc import Iterator

import pytest
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator

from local.services import exported
from tests.fake_pubsub import FakePubsub
from transforms.pubsub_reader import PullPacks, TurnTracker
from transforms.pubsub_session import SessionKey
from transforms.pubsub_turns import FIRST

NAME = "projects/some-project/subscriptions/some-name"


class Tracker(TurnTracker):
    """A tracker as an engine gives it: it can put off what follows."""

    def defer_remainder(self, _delay):
        assert self.try_split(0)


class Finalizer:
    def __init__(self):
        self.called = []

    def register(self, call):
        self.called.append(call)


@pytest.fixture
def server() -> Iterator[FakePubsub]:
    with FakePubsub() as fake, exported({"PUBSUB_EMULATOR_HOST": fake.address}):
        yield fake


class Reading:
    """One reader, called turn by turn."""

    def __init__(self, grace=0.0, most=100, **settings):
        key = SessionKey(NAME, "job", most, 1 << 20, 0.0, grace)
        self.pull = PullPacks(key, None, None, **settings)
        self.estimator = ManualWatermarkEstimator(None)
        self.token = FIRST

    def __enter__(self):
        self.pull.setup()
        self.turn()
        return self

    def __exit__(self, *_):
        self.pull.teardown()

    def turn(self):
        """Run a turn and commit it; return its payloads and how long it took."""
        tracker, finalizer, began = Tracker(self.token), Finalizer(), time.monotonic()
        packs = [*self.pull.process("0", finalizer, tracker, self.estimator)]
        lasted = time.monotonic() - began
        self.token = tracker._following
        for call in finalizer.called:
            call()
        return [payload for pack in packs for payload in pack.value.payloads], lasted

    @property
    def watermark(self):
        return self.estimator.current_watermark()


def feed(server, count, pause):
    for number in range(count):
        server.messages.append(b"%d" % number)
        time.sleep(pause)


@pytest.mark.engine
@pytest.mark.parametrize(("turn_seconds", "least"), [(0.1, 0.0), (1.0, 0.0), (2.5, 2.4)])
def test_a_long_turn_gathers_what_trickles_in_and_a_short_one_ends_with_the_first_silence(
    server, turn_seconds, least
):
    with Reading(turn_seconds=turn_seconds) as reading:
        server.messages.append(b"first")
        feeding = threading.Thread(target=feed, args=(server, 4, 0.3), daemon=True)
        feeding.start()
        payloads, lasted = reading.turn()
        feeding.join()
    assert least <= lasted < turn_seconds + 0.6
    assert payloads[0] == b"first"
    assert (len(payloads) == 5) is (turn_seconds > 1)


def test_a_long_turn_without_messages_ends_soon_so_that_the_watermark_goes_on(server):
    with Reading(turn_seconds=60.0) as reading:
        payloads, lasted = reading.turn()
    assert payloads == []
    assert lasted < 2
    assert reading.watermark is not None


def test_a_long_turn_ends_where_there_is_no_room_for_more(server):
    with Reading(most=3, turn_seconds=60.0) as reading:
        server.messages.extend([b"x"] * 5)
        payloads, lasted = reading.turn()
    assert len(payloads) == 3
    assert lasted < 2


@pytest.mark.engine
def test_in_the_grace_after_a_restart_there_is_no_watermark(server):
    with Reading(grace=1.5) as reading:
        began = time.monotonic()
        reading.turn()
        assert reading.watermark is None
        while reading.watermark is None:
            reading.turn()
        assert time.monotonic() - began > 1.0
    assert abs(float(reading.watermark) - time.time()) < 2


@pytest.mark.parametrize("grace", [0.0, 30.0])
def test_what_a_dead_job_had_leased_is_behind_the_watermark_only_without_a_grace(server, grace):
    """The server's messages are published in the first second of 1970."""
    with Reading(grace=grace) as reading:
        reading.turn()
        server.messages.append(b"hidden until now")
        before = reading.watermark
        assert reading.turn()[0] == [b"hidden until now"]
    assert (before is None) is (grace > 0)
    assert before is None or float(before) > 1
