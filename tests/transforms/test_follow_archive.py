"""Following an archive without an engine: turns, checkpoints, compactions, and how it is set up."""

import logging
import tempfile
from typing import NamedTuple

import apache_beam as beam
import pytest
from apache_beam.internal import pickler
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.prism_runner import PrismRunner
from apache_beam.utils.timestamp import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.archive_layout import HOUR
from schemas.packs import RawPack
from tests.warm_archive import SOURCE, WarmArchive, message
from transforms import follow_archive
from transforms.archive_progress import Progress
from transforms.follow_archive import FollowArchive
from transforms.object_store import ObjectStoreError
from transforms.pubsub_reader import OVER, TurnTracker
from transforms.read_archived import read_archived

START = 20_000 * 24 * HOUR + 10
UNTIL = START + 3 * HOUR


class View:
    """What a splittable DoFn sees of its tracker; `claims` is how many the engine lets it have."""

    def __init__(self, token: str, claims: int) -> None:
        self._tracker, self._left = TurnTracker(token), claims
        self.residual: str | None = None
        self.pause: float | None = None

    def current_restriction(self) -> str:
        return self._tracker.current_restriction()

    def try_claim(self, position: str) -> bool:
        if self._left == 0 and self.residual is None:
            self._split()
        self._left -= 1
        return self._tracker.try_claim(position)

    def defer_remainder(self, duration) -> None:
        self.pause = duration.micros / 1e6
        self._split()

    def check_done(self) -> None:
        self._tracker.check_done()

    def _split(self) -> None:
        parts = self._tracker.try_split(0)
        assert parts is not None
        assert parts[0] == OVER
        self.residual = parts[1]


class Told(NamedTuple):
    """What came of one turn; `following` is None at the end."""

    places: list[tuple[str, str]]
    following: str | None
    pause: float | None


def follow(root: str, **changes) -> follow_archive._Follow:
    fields = {"root": root, "source": SOURCE, "start": START, "until": UNTIL} | changes
    return follow_archive._Follow(FollowArchive(**fields))


def turn(fn, token: str | None = None, claims: int = -1) -> Told:
    view = View(Progress().to_text() if token is None else token, claims)
    estimator = ManualWatermarkEstimator(None)
    out = list(fn.process(b"", view, estimator))
    view.check_done()
    assert estimator.current_watermark() == Timestamp(micros=START)
    assert {each.timestamp for each in out} <= {Timestamp(micros=START)}
    return Told([each.value for each in out], view.residual, view.pause)


def read(places) -> list[tuple[int | None, bytes]]:
    """Return the messages of what was handed on: publish time and payload of each."""
    return sorted(
        (time, payload)
        for folder, name in places
        for _, pack in read_archived(folder, name, START)
        for time, payload in zip(pack.publish_times, pack.payloads, strict=True)
    )


def shown(*published: int) -> list[tuple[int, bytes]]:
    return sorted((time, b"%d" % time) for time in published)


def test_what_is_there_is_handed_on_and_what_comes_later_follows(tmp_path):
    archive, fn = WarmArchive(str(tmp_path)), follow(str(tmp_path))
    archive.put([message(START), message(START + HOUR)])
    first = turn(fn)
    assert read(first.places) == shown(START, START + HOUR)
    assert first.pause == 2.0
    archive.put([message(START + 1)])
    archive.mark(UNTIL - 1)
    second = turn(fn, first.following)
    assert read(second.places) == shown(START + 1)
    third = turn(fn, second.following)
    assert third.places == []
    archive.put([message(UNTIL - 1), message(UNTIL + HOUR)])
    archive.mark(UNTIL)
    last = turn(fn, third.following)
    assert read(last.places) == shown(UNTIL - 1)
    assert last.following is None


def test_an_object_that_appears_before_the_marker_moves_is_read_though_the_marker_was_read_first(
    tmp_path, monkeypatch
):
    """The writer is quicker than the listing: between the marker's reading and the listing."""
    archive, fn = WarmArchive(str(tmp_path)), follow(str(tmp_path))
    archive.mark(UNTIL - 1)
    plain = follow_archive.read_marker

    def slow(root, source):
        known = plain(root, source)
        archive.put([message(UNTIL - 1)])
        archive.mark(UNTIL)
        return known

    monkeypatch.setattr(follow_archive, "read_marker", slow)
    first = turn(fn)
    assert read(first.places) == shown(UNTIL - 1)
    # The marker that was read had not passed, so it looks once more.
    assert first.following is not None
    assert turn(fn, first.following).following is None


def test_rows_before_the_start_and_objects_outside_the_span_are_left_out(tmp_path):
    archive, fn = WarmArchive(str(tmp_path)), follow(str(tmp_path))
    archive.put([message(START - 1), message(START), message(START + 5)])
    archive.put([message(START - 2)])
    archive.put([message(UNTIL)])
    archive.put([message(UNTIL - 1), message(UNTIL + 1)])
    archive.put([message(START + 7)], entered=False)
    archive.mark(UNTIL)
    told = turn(fn)
    assert read(told.places) == shown(START, START + 5, UNTIL - 1, UNTIL + 1)
    assert told.following is None


def test_a_turn_that_the_engine_cuts_loses_nothing_and_repeats_nothing(tmp_path):
    archive, fn = WarmArchive(str(tmp_path)), follow(str(tmp_path))
    archive.put([message(START), message(START + HOUR), message(START + 2 * HOUR)])
    archive.mark(UNTIL)
    cut = turn(fn, claims=1)
    assert read(cut.places) == shown(START)
    rest = turn(fn, cut.following)
    assert read(rest.places) == shown(START + HOUR, START + 2 * HOUR)
    assert rest.following is None


def test_without_a_marker_it_waits_and_says_for_what_once_a_minute(tmp_path, caplog):
    fn = follow(str(tmp_path))
    seconds = iter([0.0, 30.0, 61.0, 62.0])
    fn._stillness.clock = lambda: next(seconds)
    token = None
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            token = turn(fn, token).following
    (warning,) = caplog.messages
    assert str(tmp_path) in warning
    assert "has no completeness marker" in warning
    assert "2024-10-04T03:00:00.000010Z" in warning


def test_a_marker_that_stands_is_named_in_the_warning(tmp_path, caplog):
    fn = follow(str(tmp_path))
    WarmArchive(str(tmp_path)).mark(START)
    seconds = iter([0.0, 61.0])
    fn._stillness.clock = lambda: next(seconds)
    with caplog.at_level(logging.WARNING):
        turn(fn, turn(fn).following)
    assert "is complete to 2024-10-04T00:00:00.000010Z" in caplog.messages[0]


def test_draining_ends_it_at_once():
    assert follow_archive._Beginning().truncate(b"", Progress().to_text()) is None


HOURS = [START // HOUR * HOUR + n * HOUR for n in range(3)]
batches = st.lists(
    st.tuples(st.sampled_from(HOURS), st.lists(st.integers(20, HOUR - 1), min_size=1, max_size=3)),
    min_size=1,
    max_size=6,
)
actions = st.lists(
    st.sampled_from(["put", "put", "mark", "turn", "cut", "failed", "compact", "sweep"]),
    max_size=24,
)


class Story:
    """A writer, a compaction and a reader of one archive, in any order, killed at any point."""

    def __init__(self, root: str, told) -> None:
        self.archive, self.fn = WarmArchive(root), follow(root)
        self.waiting = [(hour, [message(hour + at) for at in ats]) for hour, ats in told]
        self.current: dict[int, dict] = {}
        self.gone: list = []
        self.places: list = []
        self.token: str | None = Progress().to_text()

    def put(self) -> None:
        if self.waiting:
            hour, rows = self.waiting.pop()
            self.current.setdefault(hour, {})[self.archive.put_hour(hour, rows)] = rows

    def mark(self) -> None:
        times = [row.publish_time for _, rows in self.waiting for row in rows]
        self.archive.mark(min(times, default=UNTIL))

    def turn(self) -> None:
        self._turn(-1, keep=True)

    def cut(self) -> None:
        self._turn(1, keep=True)

    def failed(self) -> None:
        self._turn(-1, keep=False)

    def compact(self) -> None:
        for hour, entries in self.current.items():
            if len(entries) > 1:
                together = [row for rows in entries.values() for row in rows]
                output = self.archive.put_hour(hour, together)
                inputs = [entry for entry in entries if entry != output]
                self.archive.replace(hour, [output], inputs)
                self.gone += [(hour, entry) for entry in inputs]
                self.current[hour] = {output: together}

    def sweep(self) -> None:
        for hour, entry in self.gone:
            self.archive.delete(hour, entry)
        self.gone = []

    def _turn(self, claims: int, *, keep: bool) -> None:
        if self.token is not None:
            told = turn(self.fn, self.token, claims)
            if keep:
                self.token = told.following
                self.places += told.places


@settings(max_examples=60)
@given(batches, actions)
def test_whatever_writers_and_compactions_do_meanwhile_every_message_comes(told, order):
    with tempfile.TemporaryDirectory() as root:
        story = Story(root, told)
        wanted = {row.publish_time for _, rows in story.waiting for row in rows}
        for action in order:
            getattr(story, action)()
        while story.waiting:
            story.put()
        story.mark()
        story.turn()
        assert story.token is None
        # The objects are read last of all, when some are long gone.
        story.sweep()
        assert {time for time, _ in read(story.places)} == wanted


def test_the_restriction_forgets_the_hours_that_the_marker_has_passed(tmp_path):
    archive, fn = WarmArchive(str(tmp_path)), follow(str(tmp_path))
    archive.put([message(START), message(START + HOUR)])
    archive.mark(START + HOUR)
    progress = Progress.from_text(turn(fn).following or "")
    assert set(progress.handed) == {HOURS[1]}
    assert progress.settled == HOURS[1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"source": ""}, "give it a name"),
        ({"start": UNTIL + 1}, "not after until"),
        ({"poll": 0}, "above 0"),
        ({"root": "s3://there"}, "gs://BUCKET"),
    ],
)
def test_a_wrong_option_is_refused_with_the_remedy(settings, words):
    with pytest.raises(ValueError, match=words):
        follow(**{"root": "archive"} | settings)


def test_it_is_unbounded_and_packed_on_an_engine_that_can_run_it(tmp_path):
    pipeline = beam.Pipeline(options=PipelineOptions(streaming=True))
    pipeline.runner = PrismRunner()
    packs = pipeline | FollowArchive(str(tmp_path), SOURCE, START, UNTIL)
    assert not packs.is_bounded
    assert packs.element_type is RawPack


def test_the_bundle_based_runner_is_refused_with_the_reason(tmp_path):
    pipeline = beam.Pipeline(runner=BundleBasedDirectRunner())
    with pytest.raises(ValueError, match="name another engine by --runner"):
        _ = pipeline | FollowArchive(str(tmp_path), SOURCE, START, UNTIL)


def test_the_follower_survives_pickling(tmp_path):
    fn = pickler.loads(pickler.dumps(follow(str(tmp_path))))
    WarmArchive(str(tmp_path)).mark(UNTIL)
    assert turn(fn).following is None


def test_a_store_that_cannot_be_listed_is_one_line(tmp_path):
    (tmp_path / "raw").write_text("no folder")
    with pytest.raises(ObjectStoreError) as error:
        turn(follow(str(tmp_path)))
    assert "\n" not in str(error.value)
