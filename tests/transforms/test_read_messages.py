"""How reading is put together: options, the choice of the source, types, one turn's claim."""

import apache_beam as beam
import pytest
from apache_beam import coders
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.portability.prism_runner import PrismRunner
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp

from schemas.coders import StructCoder
from schemas.events import RawEvent
from schemas.packs import RawPack
from transforms.pubsub_reader import OVER, PullPacks, TurnProvider, TurnTracker
from transforms.pubsub_session import SessionKey
from transforms.pubsub_turns import FIRST
from transforms.read_messages import PackMessages, ReadMessages

NAME = "projects/some-project/subscriptions/some-name"


def labels_on(runner, **settings) -> set[str]:
    pipeline = beam.Pipeline(options=PipelineOptions(streaming=True))
    # Given later: a pipeline that is built for Dataflow looks for its buckets at once.
    pipeline.runner = runner
    read = pipeline | "Read" >> ReadMessages(NAME, **settings)
    expected = RawPack if settings.get("packed") else RawEvent
    assert read.element_type is expected
    assert isinstance(coders.registry.get_coder(read.element_type), StructCoder)
    return {part.full_label.partition("/")[2].partition("/")[0] for part in parts(pipeline)}


def parts(pipeline):
    def walk(node):
        for part in node.parts:
            yield part
            yield from walk(part)

    return list(walk(pipeline.transforms_stack[0]))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("runner", "source", "beams"),
    [
        (DataflowRunner, "auto", True),
        (BundleBasedDirectRunner, "auto", True),
        (PrismRunner, "auto", False),
        (PortableRunner, "auto", False),
        (PrismRunner, "beam", True),
        (BundleBasedDirectRunner, "portable", False),
    ],
)
def test_the_source_follows_the_runner_unless_it_is_named(runner, source, beams, packed):
    labels = labels_on(runner(), source=source, packed=packed)
    assert ("ReadFromPubSub" in labels) is beams
    assert ("PullPacks" in labels) is not beams


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"subscription": "some-name"}, "projects/PROJECT/subscriptions/NAME"),
        ({"subscription": "projects/p/topics/t"}, "projects/PROJECT/subscriptions/NAME"),
        ({"source": "kafka"}, "one of auto, beam, portable"),
        ({"readers": 0}, "1 or more"),
        ({"max_outstanding_messages": 0}, "1 or more"),
        ({"max_outstanding_bytes": -1}, "1 or more"),
        ({"watermark_slack": -1}, "0 or more seconds"),
        ({"stop_after_idle": -1}, "0 or more seconds"),
        ({"restart_grace": -1}, "0 or more seconds"),
        ({"turn_seconds": 0}, "more than 0 seconds"),
        ({"source": "beam", "stop_after_idle": 1}, "--pubsub_source=portable"),
    ],
)
def test_a_wrong_option_is_refused_with_the_remedy(settings, words):
    with pytest.raises(ValueError, match=words) as error:
        ReadMessages(**{"subscription": NAME} | settings)
    assert "\n" not in str(error.value)


def test_ending_when_idle_is_refused_where_beams_source_would_be_taken():
    pipeline = beam.Pipeline(runner=BundleBasedDirectRunner())
    with pytest.raises(ValueError, match="the runner is BundleBasedDirectRunner"):
        _ = pipeline | ReadMessages(NAME, stop_after_idle=1)


def test_two_pipelines_are_two_jobs():
    assert len({_key().job for _ in range(2)}) == 2


def test_the_grace_and_the_turns_reach_the_reader():
    pull = _pull(restart_grace=40.0, turn_seconds=9.0)
    assert (pull._key.grace, pull._turn_seconds) == (40.0, 9.0)
    assert (_pull()._key.grace, _pull()._turn_seconds) == (0.0, 1.0)


def _key() -> SessionKey:
    return _pull()._key


def _pull(**settings) -> PullPacks:
    pipeline = beam.Pipeline(runner=PrismRunner())
    _ = pipeline | ReadMessages(NAME, packed=True, **settings)
    (pull,) = [p for p in parts(pipeline) if p.full_label.endswith("PullPacks")]
    return pull.transform.fn


def test_the_reader_survives_pickling():
    key = SessionKey(NAME, "job", 1, 1, 0.0)
    copy = pickler.loads(pickler.dumps(PullPacks(key, "at", 1.0)))
    assert copy._key == key


def test_a_reader_is_never_split_in_two():
    tracker = TurnTracker(FIRST)
    assert tracker.try_claim("2")
    assert tracker.try_split(0.5) is None
    assert not tracker.is_bounded()


def test_handing_on_gives_the_next_token_and_ends_the_turn():
    tracker = TurnTracker(FIRST)
    assert tracker.try_claim("2")
    with pytest.raises(ValueError, match="without handing"):
        tracker.check_done()
    assert tracker.try_split(0) == (OVER, "2")
    tracker.check_done()
    assert not tracker.try_claim("3")
    assert tracker.try_split(0) is None


def test_a_turn_cut_before_its_claim_hands_on_itself():
    tracker = TurnTracker("7")
    assert tracker.try_split(0) == (OVER, "7")
    assert not tracker.try_claim("8")


def test_an_ended_reader_is_done_and_leaves_nothing():
    tracker = TurnTracker("7")
    assert tracker.try_claim(OVER)
    tracker.check_done()
    assert tracker.try_split(0) is None


def test_draining_stops_a_reader():
    assert TurnProvider().truncate("0", "7") is None


def test_packing_a_bundle_keeps_all_with_the_least_time():
    pack = PackMessages()
    pack.start_bundle()
    out = []
    for index in range(1_200):
        out += pack.process(RawEvent(b"%d" % index), timestamp=Timestamp(2_000 - index))
    (last,) = pack.finish_bundle()
    assert [len(each.value) for each in out] + [len(last.value)] == [500, 500, 200]
    assert [each.timestamp for each in out] == [Timestamp(1_501), Timestamp(1_001)]
    assert last.timestamp == Timestamp(801)
    assert last.windows == (GlobalWindow(),)
    assert list(pack.finish_bundle()) == []
