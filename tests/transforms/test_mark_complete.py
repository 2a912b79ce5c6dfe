"""The marker: it follows the watermark, never goes back, and ends with its source.

The clock of the in-process engine is the test's own, so a pause costs nothing here. How Prism
delivers the timers is tested in tests/emulators/test_mark_complete_on_prism.py.
"""

import threading
import time

import apache_beam as beam
import hypothesis.strategies as st
import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.clock import TestClock
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue
from hypothesis import given, settings

from pipelines.failures import known_failure
from schemas.completeness import marker_name
from tests.engine import run_batch
from transforms.archive_manifest import read_marker
from transforms.mark_complete import MarkComplete, _encode, _Follow, advance_marker
from transforms.object_store import ObjectStoreError, read_object, replace_object
from transforms.watermark_looks import Looks

pytestmark = pytest.mark.engine

SECOND = 1_000_000


ENGINE_CLOCKS = []


@pytest.fixture(autouse=True)
def _the_engines_clock(monkeypatch):
    """Let the step have the clock that the stream moves."""
    begin = TestClock.__init__

    def remembered(clock):
        begin(clock)
        ENGINE_CLOCKS[:] = [clock]

    monkeypatch.setattr(TestClock, "__init__", remembered)


def engine_time():
    return float(ENGINE_CLOCKS[0].time())


def run_stream(path, *events, **given_values):
    """Run the step on a stream that begins at 0, of (what, seconds); return the marker's second."""
    stream = TestStream().advance_watermark_to(-1)
    for name, *at in events:
        if name == "entry":
            stream = stream.add_elements([TimestampedValue("entry", at[0])])
        elif name == "watermark":
            stream = stream.advance_watermark_to(at[0])
        elif name == "clock":
            stream = stream.advance_processing_time(at[0])
        else:
            stream = stream.advance_watermark_to_infinity()
    given_values = {"every": 60.0, "pause": 10.0, "clock": engine_time} | given_values
    with beam.Pipeline(
        runner=BundleBasedDirectRunner(), options=PipelineOptions(streaming=True)
    ) as pipeline:
        written = pipeline | stream.with_output_types(str)
        _ = written | MarkComplete(str(path), "a", **given_values)
    marker = read_marker(str(path), "a")
    return marker and marker // SECOND


LIVE = [("watermark", 0), ("clock", 120), ("watermark", 100)]


@pytest.mark.parametrize(
    ("events", "marker"),
    [
        # Idle since the launch at 0.
        ([*LIVE, ("clock", 10), ("watermark", 110), ("end",)], 60),
        ([*LIVE, ("clock", 10), ("watermark", 120), ("clock", 10), ("end",)], 120),
        # The watermark waits at 30: for what is not written yet.
        ([("watermark", 0), ("clock", 120), ("watermark", 30), ("clock", 900), ("end",)], 0),
        # The pause after the look at 60 is not over.
        ([*LIVE, ("clock", 9), ("end",)], 0),
        # A backlog of an hour: looks follow what is written.
        (
            [
                ("watermark", 0),
                ("clock", 3_700),
                ("entry", 130),
                ("watermark", 200),
                ("clock", 10),
                ("end",),
            ],
            120,
        ),
    ],
)
def test_the_marker_follows_the_watermark_a_step_and_a_pause_behind(tmp_path, events, marker):
    assert run_stream(tmp_path, *events) == marker


@pytest.mark.parametrize(
    ("before", "marker"),
    [([], None), ([("entry", 5)], None), ([("watermark", 0), ("clock", 70), ("watermark", 40)], 0)],
)
@pytest.mark.parametrize("after", [[], [("clock", 10)] * 20])
def test_an_input_that_ends_marks_nothing_that_was_left_unread(tmp_path, before, marker, after):
    assert run_stream(tmp_path, *before, ("end",), *after) == marker


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_a_bounded_input_ends_at_once_and_marks_nothing(tmp_path, bundle_repeat):
    began = time.monotonic()
    run_batch(
        lambda pipeline: {
            "markers": pipeline
            | beam.Create(["entry"])
            | MarkComplete(str(tmp_path), "a", every=60, pause=30)
        },
        bundle_repeat,
    )
    assert read_marker(str(tmp_path), "a") is None
    assert time.monotonic() - began < 20


@settings(max_examples=25)
@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=9))
def test_the_marker_never_goes_back_whoever_moves_it(tmp_path_factory, times):
    path = str(tmp_path_factory.mktemp("archive"))
    for number, moment in enumerate(times):
        moved = advance_marker(path, "a", moment)
        assert moved is (moment > max(times[:number], default=-1))
        assert read_marker(path, "a") == max(times[: number + 1])


def test_two_jobs_at_once_leave_the_later_of_their_times(tmp_path):
    moved = []

    def move(times):
        moved.extend(time_ for time_ in times if advance_marker(str(tmp_path), "a", time_))

    threads = [threading.Thread(target=move, args=(range(n, 120, 4),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_marker(str(tmp_path), "a") == 119 == max(moved)
    assert len(moved) == len(set(moved))


FOREIGN = [b"", b'{"complete": true}', b'{"complete_to": null}', b"\xff", b'{"complete_to":']


@pytest.mark.parametrize("content", FOREIGN)
def test_what_is_no_marker_is_left_alone_and_named(tmp_path, content):
    path = f"{tmp_path}/{marker_name('a')}"
    replace_object(path, content)
    with pytest.raises(ObjectStoreError) as error:
        advance_marker(str(tmp_path), "a", 5)
    assert str(error.value).startswith(f"{path}: no completeness marker; ")
    assert "\n" not in str(error.value)
    assert read_object(path) == content


def test_a_job_that_finds_no_marker_in_its_place_fails_with_that_line(tmp_path):
    path = f"{tmp_path}/{marker_name('a')}"
    replace_object(path, b"")
    with pytest.raises(RuntimeError) as error:
        run_stream(tmp_path, *LIVE, ("clock", 10), ("end",))
    assert (known_failure(error.value) or "").startswith(f"{path}: no completeness marker; ")


def test_a_place_that_cannot_be_written_fails_the_job_with_its_name(tmp_path):
    (tmp_path / "raw").write_text("a file where the folder should be")
    with pytest.raises(RuntimeError) as error:
        run_stream(tmp_path, *LIVE, ("clock", 10), ("end",))
    assert (known_failure(error.value) or "").startswith(f"{tmp_path}/{marker_name('a')}: ")


@pytest.mark.parametrize("given_values", [{"every": 0}, {"every": 0.0001}, {"pause": 0}])
def test_lengths_that_cannot_be_are_refused(given_values):
    with pytest.raises(ValueError, match=r"every=.*, pause="):
        MarkComplete("archive", "a", **given_values)


def test_the_step_and_its_state_survive_pickling_and_an_update_with_another_step(tmp_path):
    step = _Follow(pickler.loads(pickler.dumps(MarkComplete(str(tmp_path), "a", every=2, pause=9))))
    kept = Kept(_encode(Looks(every=60 * SECOND, pause=10 * SECOND, look=120 * SECOND)))
    looks = step._load(kept)
    assert (looks.every, looks.pause, looks.look) == (2 * SECOND, 2 * SECOND, 120 * SECOND)


class Kept:
    def __init__(self, value):
        self._value = value

    def read(self):
        return self._value
