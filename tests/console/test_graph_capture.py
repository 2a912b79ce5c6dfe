"""What is read from a pipeline as it was staged: what an update depends on, and nothing else."""

from types import SimpleNamespace

import apache_beam as beam
import pytest
from apache_beam import coders
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.transforms import trigger, userstate, window
from hypothesis import given
from hypothesis import strategies as st

from console.graph_diff import compare, graph_of
from console.graph_form import json_of
from schemas.packs import EventPack, RawPack

pytestmark = pytest.mark.engine


class Named(coders.Coder):
    """A coder that is pickled, with a set, whose order is no part of it."""

    def __init__(self, names):
        self.names = names

    def is_deterministic(self):
        return True


class Ranges(beam.io.restriction_trackers.OffsetRestrictionTracker, beam.RestrictionProvider):
    def __init__(self, coder):
        self.coder = coder

    def restriction_coder(self):
        return self.coder


class Counts(beam.combiners.CountCombineFn):
    def get_accumulator_coder(self):
        return coders.VarIntCoder()


def keep(state, timer):
    log, tick = userstate.BagStateSpec("log", state), userstate.TimerSpec("tick", timer)
    log_here, tick_here = beam.DoFn.StateParam(log), beam.DoFn.TimerParam(tick)

    class Keep(beam.DoFn):
        def process(self, element, log=log_here, tick=tick_here):
            yield element

        @userstate.on_timer(tick)
        def fire(self):
            pass

    return Keep()


def spread(coder):
    ranges_here = beam.DoFn.RestrictionParam(Ranges(coder))

    class Spread(beam.DoFn):
        def process(self, element, ranges=ranges_here):
            yield element

    return Spread()


USUAL = {
    "value": int,
    "state": coders.BytesCoder(),
    "timer": userstate.TimeDomain.WATERMARK,
    "windows": window.FixedWindows(60),
    "fires": trigger.AfterWatermark(late=trigger.AfterCount(1)),
    "lateness": 10,
    "mode": trigger.AccumulationMode.DISCARDING,
    "sides": 1,
    "restriction": coders.VarIntCoder(),
    "combine": sum,
    "label": "Group",
}


def staged(**changes):
    """Build a pipeline with one of each that an update depends on, as it is staged."""
    given = SimpleNamespace(**USUAL | changes)
    pipeline = beam.Pipeline(runner="FnApiRunner")
    read = pipeline | "Read" >> beam.Create([1])
    keyed = read | "Key" >> beam.Map(lambda n: (n, n)).with_output_types(tuple[int, given.value])
    windowed = keyed | "Window" >> beam.WindowInto(
        given.windows,
        trigger=given.fires,
        accumulation_mode=given.mode,
        allowed_lateness=given.lateness,
    )
    windowed | given.label >> beam.GroupByKey()
    windowed | "Keep" >> beam.ParDo(keep(given.state, given.timer))
    windowed | "Sum" >> beam.CombinePerKey(given.combine)
    read | "Spread" >> beam.ParDo(spread(given.restriction))
    aside = [beam.pvalue.AsIter(read)] * given.sides
    read | "Look" >> beam.Map(lambda n, *aside: n, *aside)
    return pipeline.to_runner_api().SerializeToString()


STAGED = staged()
FOUND = graph_of(STAGED)


def holds(label):
    return FOUND.steps[label].holds


def test_what_a_step_keeps_is_spelled_out():
    windowing = {
        "windows": 'fixed_windows(offset="1970-01-01T00:00:00Z", size="60s")',
        "coder": "interval_window",
        "trigger": {
            "after_end_of_window": {"late_firings": {"element_count": {"element_count": 1}}}
        },
        "accumulation": "discarding",
        "allowed_lateness_ms": 10_000,
        "output_time": "end_of_window",
        "closing": "emit_always",
        "on_time": "fire_always",
    }
    assert holds("Group") == {"key": "varint", "value": "varint", "windowing": windowing}
    assert holds("Window") == {"windowing": windowing}
    assert holds("Keep") == {
        "key": "varint",
        "value": "varint",
        "windowing": windowing,
        "states": {"log": {"kind": "bag", "element_coder": "bytes"}},
        "timers": {"ts-tick": {"domain": "event_time", "coder": "timer(varint, interval_window)"}},
    }
    assert holds("Spread").keys() == {"element", "windowing", "restriction"}
    assert holds("Spread")["restriction"].startswith("kv(varint, ")
    (side,) = holds("Look")["side_inputs"].values()
    assert side.keys() == {"access", "element", "windowing"}
    assert holds("Sum").keys() == {"accumulator"}
    assert holds("Key") == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": str}, "Group: value was varint, is string_utf8"),
        ({"value": EventPack}, "StructCoder(schemas.packs.EventPack)"),
        ({"state": coders.VarIntCoder()}, "Keep: states log element_coder was bytes, is varint"),
        ({"state": Named({"a"})}, 'Named(names=set("a"))'),
        ({"timer": userstate.TimeDomain.REAL_TIME}, "Keep: timers ts-tick domain was event_time"),
        ({"windows": window.FixedWindows(300)}, 'size="60s"), is fixed_windows('),
        ({"windows": window.Sessions(60)}, "windowing merging was not there, is needs_merge"),
        ({"fires": trigger.DefaultTrigger()}, "Group: windowing trigger"),
        ({"lateness": 20}, "Group: windowing allowed_lateness_ms was 10000, is 20000"),
        ({"mode": trigger.AccumulationMode.ACCUMULATING}, "accumulation was discarding"),
        ({"sides": 0}, "Look: element was varint, is not there; side_inputs was {"),
        ({"sides": 2}, "Look: side_inputs"),
        ({"restriction": coders.BytesCoder()}, "Spread: restriction was"),
        ({"combine": Counts()}, "Sum: accumulator was"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_changes_in_a_step_that_keeps_something_is_told(change, words):
    said = compare(FOUND, graph_of(staged(**change)))
    assert said.verdict == "incompatible"
    assert any(words in reason for reason in said.reasons), said.reasons


def test_the_same_pipeline_gives_the_same_bytes_and_another_label_a_mapping():
    assert json_of(graph_of(staged())) == json_of(FOUND)
    said = compare(FOUND, graph_of(staged(label="Gather")))
    assert (said.verdict, said.mapping) == ("needs mapping", {"Group": "Gather"})


def test_structs_are_told_apart_by_their_classes():
    raw, events = (graph_of(staged(value=struct)) for struct in (RawPack, EventPack))
    assert raw.steps["Group"].holds["value"] == "schemas.coders.StructCoder(schemas.packs.RawPack)"
    assert compare(raw, events).verdict == "incompatible"


def with_coder(change):
    """Return the staged pipeline with one of its coders changed by hand."""
    pipeline = beam_runner_api_pb2.Pipeline.FromString(STAGED)
    found = pipeline.components.coders
    (name,) = [name for name, each in found.items() if each.spec.urn == "beam:coder:varint:v1"]
    change(found[name], name)
    return pipeline.SerializeToString()


def test_a_coder_in_itself_or_of_missing_parts_is_damage_in_one_line():
    def in_itself(coder, name):
        coder.component_coder_ids.append(name)

    def missing(coder, name):
        coder.component_coder_ids.append("nowhere")

    for change in (in_itself, missing):
        with pytest.raises(ValueError, match="a damaged pipeline") as refused:
            graph_of(with_coder(change))
        assert len(str(refused.value).splitlines()) == 1


def test_a_payload_that_cannot_be_read_is_told_by_its_digest():
    def opaque(payload):
        def change(coder, _):
            coder.spec.urn, coder.spec.payload = "beam:coder:pickled_python:v1", payload

        return graph_of(with_coder(change)).steps["Group"].holds["key"]

    texts = [opaque(payload) for payload in (b"\n\x05Own$x", b"\n\x05Own$y", b"\xff")]
    assert len(set(texts)) == 3
    assert texts[0].startswith("Own#")


@given(st.data())
def test_a_staged_pipeline_that_is_torn_or_altered_is_a_graph_or_one_line(data):
    cut = data.draw(st.integers(0, len(STAGED)))
    other = data.draw(st.binary(max_size=8))
    assert problem_of(STAGED[:cut]).count("\n") == 0
    assert problem_of(STAGED[:cut] + other + STAGED[cut + len(other) :]).count("\n") == 0


def problem_of(pipeline):
    try:
        graph_of(pipeline)
    except ValueError as error:
        return str(error)
    return ""
