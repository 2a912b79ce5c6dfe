"""The archive job on Pub/Sub and Prism: a marker never ahead of the truth, and nothing lost.

Each job is a process of its own. What this cannot show: that a promise of `--batches=state` holds
where an engine's commits survive a kill; Prism's state lives in memory and goes with it, which the
last test shows.
"""

import random
import threading
import time

import pytest

from local.publish import Outgoing, publish
from local.services import exported
from tests.emulators.live_archive import SOURCE, Archive, Job, eventually
from tests.fake_pubsub import FakePubsub

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.prism,
    pytest.mark.usefixtures("forked_jobs"),
]

SECOND = 1_000_000
QUICK = ("--marker_every=1s", "--watermark_slack=500ms", "--restart_grace=0s")


@pytest.fixture
def topic(pubsub_emulator):
    return pubsub_emulator.topic()


@pytest.fixture
def subscription(pubsub_emulator, topic):
    return pubsub_emulator.subscription(topic, ack_deadline_seconds=10)


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "archive")


@pytest.fixture
def start(prism_binary, subscription, tmp_path):
    """Give a function that starts the job; it writes to the one archive of the test."""

    def started(*more, gate=None):
        return Job(prism_binary, subscription, tmp_path / "archive", *more, gate=gate)

    return started


def now():
    return time.time_ns() // 1_000


def watch(archive, topic, until):
    """Publish a message now and then, and look at the archive more often; return the samples."""
    samples = []
    while not until():
        publish(topic, [Outgoing(b"later")])
        for _ in range(3):
            samples.append(archive.sample())
            time.sleep(0.1)
    return samples


def for_seconds(seconds):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def test_the_marker_is_with_an_idle_topic_but_below_an_open_batch_and_a_stuck_write(
    start, archive, topic, tmp_path
):
    """Sensitive: where the timer of the batch holds no watermark, the marker runs ahead of it."""
    gate = tmp_path / "gate"
    launch = now()
    with start(*QUICK, "--batch_age=3s", gate=gate):
        # Nothing was ever published.
        eventually(lambda: (archive.marker or 0) > launch)
        gate.touch()
        first = now()
        samples = watch(archive, topic, until=gate.with_suffix(".waiting").exists)
        samples += watch(archive, topic, until=for_seconds(2.0))
        held = samples[-1]
        assert held.marker <= first + SECOND
        assert not held.entries
        gate.unlink()
        last = now()
        eventually(lambda: samples.append(archive.sample()) or archive.marker > last)
    assert now() - first > 5 * SECOND
    assert len(archive.messages()) >= 10
    archive.check(samples)
    archive.verify()


def test_a_write_that_fails_ends_the_job_with_its_name_and_leaves_the_marker(
    start, archive, topic, tmp_path
):
    publish(topic, [Outgoing(b"nowhere to go")])
    published = now()
    day = f"source={SOURCE}/dt={time.strftime('%Y-%m-%d', time.gmtime(published / SECOND))}"
    place = tmp_path / "archive" / "raw" / "events" / day
    place.parent.mkdir(parents=True)
    place.write_text("a file in the place of the folder")
    with start(*QUICK, "--batch_age=300ms") as job:
        assert job.wait() == 1
    (line,) = job.lines_with("check that the place exists and is writable")
    assert day in line
    assert archive.marker is None or archive.marker <= published


class Publishing(threading.Thread):
    """Publishes numbered messages, `rate` a second, until it is stopped."""

    def __init__(self, topic, rate):
        super().__init__(daemon=True)
        self._topic, self._pause, self._over = topic, 25 / rate, threading.Event()
        self.sent: list[bytes] = []

    def run(self):
        while not self._over.wait(self._pause):
            following = [b"%d" % (len(self.sent) + n) for n in range(25)]
            publish(self._topic, [Outgoing(payload) for payload in following])
            self.sent += following

    def stop(self):
        self._over.set()
        self.join()


def test_a_job_by_bundle_that_is_killed_again_and_again_loses_nothing(
    start, archive, topic, tmp_path
):
    """Job and engine are killed with SIGKILL while they read and write; one more job reads on.

    What a killed job had leased is hidden for ten seconds. Sensitive: with --restart_grace=0s the
    marker of the last job runs ahead of it.
    """
    chance = random.Random(4)
    publishing = Publishing(topic, rate=250)
    publishing.start()
    settings = (*QUICK[:2], "--batches=bundle", "--batch_age=500ms")
    for _ in range(3):
        before = archive.entries()
        with start(*settings, "--restart_grace=40s", gate=tmp_path / "gate") as job:
            eventually(lambda before=before: archive.entries() > before)
            time.sleep(chance.uniform(0.0, 1.2))
            job.kill()
    publishing.stop()
    last, samples = now(), []
    with start(*settings, "--restart_grace=12s", gate=tmp_path / "gate"):
        eventually(lambda: samples.append(archive.sample()) or (archive.marker or 0) > last)
    assert {row.payload for row in archive.messages()} == set(publishing.sent)
    archive.check(samples)
    archive.verify()


@pytest.fixture
def server():
    with FakePubsub() as fake, exported({"PUBSUB_EMULATOR_HOST": fake.address}):
        yield fake


def archived(archive):
    return {row.message_id for row in archive.messages()}


def test_by_bundle_nothing_is_acknowledged_before_it_is_in_the_manifest(start, archive, server):
    """The engine is killed at once; what it had acknowledged by then must be in the archive."""
    server.messages.extend([b"%d" % n for n in range(200_000)])
    with start(*QUICK, "--batches=bundle", "--batch_age=300ms") as job:
        for _ in range(3):
            acknowledged = len(server.acknowledged)
            eventually(lambda a=acknowledged: len(server.acknowledged) > a, pause=0.01)
            assert set(server.acknowledged) <= archived(archive)
        job.kill()
    assert len(server.acknowledged) < 200_000
    assert set(server.acknowledged) <= archived(archive)


def test_in_state_a_killed_prism_takes_open_batches_with_it_and_nothing_else(
    start, archive, server
):
    """Messages are acknowledged when Prism holds them; what no batch was closed with is lost."""
    settings = (*QUICK, "--batches=state", "--batch_age=60s", "--batch_bytes=20000")
    server.messages.extend([b"%d" % n for n in range(1_000)])
    with start(*settings) as job:
        eventually(lambda: len(server.acknowledged) == 1_000)
        eventually(archive.entries)
        marker = archive.marker
        job.kill()
    closed = archived(archive)
    lost = server.acknowledged - closed
    assert lost
    assert closed <= server.acknowledged
    # The marker of the job that died is true all the same: the open batch held it.
    assert marker is None or marker < SECOND
    with start(*settings):
        # That of the next job knows nothing of them.
        eventually(lambda: (archive.marker or 0) > SECOND)
    assert archived(archive) == closed
