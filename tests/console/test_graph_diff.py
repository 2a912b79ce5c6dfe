"""What is told of two graphs: kept ones, and any others."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.graph_diff import compare, graph_of
from console.graph_form import Graph, Place, Step, json_of
from tests.templates.launches import launches_of

ROOT = Path(__file__).parents[2]
KEPT = {path.stem: path for path in sorted(ROOT.glob("templates/*/graphs/*.json"))}
WINDOWING = {"windows": "global_windows", "allowed_lateness_ms": 0}


def kept(name):
    return graph_of(KEPT[name].read_bytes())


def grouped(label, *inputs, value="bytes", **holds):
    held = {"key": "varint", "value": value, "windowing": WINDOWING, **holds}
    return Step(label, "group_by_key", places(inputs), held)


def plain(label, *inputs):
    return Step(label, "pardo", places(inputs))


def read(label="Read"):
    return Step(label, "pubsub_read", (), {"element": "bytes"})


def places(inputs):
    return tuple(Place(*(each if isinstance(each, tuple) else (each,))) for each in inputs)


def graph(*steps):
    return Graph({step.label: step for step in steps})


def relabelled(found, labels):
    """Give steps other labels, by a dict that may leave out what stays."""
    steps = [
        Step(
            labels.get(step.label, step.label),
            step.kind,
            tuple(Place(labels.get(p.step, p.step), p.output) for p in step.inputs),
            step.holds,
        )
        for step in found.steps.values()
    ]
    return graph(*steps)


def with_step(found, step):
    return Graph(found.steps | {step.label: step})


@st.composite
def lines(draw):
    """Draw a graph in which no two steps that keep something look alike."""
    steps = [read()]
    for number in range(draw(st.integers(1, 12))):
        source = draw(st.sampled_from(steps)).label, draw(st.sampled_from(["", "rejected"]))
        label = f"Part{draw(st.integers(0, 2))}/Step{number}"
        keeps = draw(st.booleans())
        steps.append(grouped(label, source, value=f"c{number}") if keeps else plain(label, source))
    return graph(*steps)


def leaves(value, path=()):
    if not isinstance(value, dict):
        return [path]
    return [found for name in value for found in leaves(value[name], (*path, name))]


def changed_at(holds, path, to):
    if not path:
        return to
    return holds | {path[0]: changed_at(holds[path[0]], path[1:], to)}


ANY = st.one_of(lines(), st.sampled_from(sorted(KEPT)).map(kept))


@given(ANY)
def test_a_graph_is_compatible_with_itself_and_with_itself_from_a_file(found):
    assert compare(found, found).verdict == "compatible"
    text = json_of(found)
    again = graph_of(text.encode())
    assert (again, json_of(again)) == (found, text)


@given(ANY, st.data())
def test_labels_that_moved_are_found_and_by_their_mapping_it_is_compatible(found, data):
    moved = data.draw(st.sets(st.sampled_from(sorted(found.steps)), min_size=1))
    names = data.draw(st.permutations(sorted(moved)))
    labels = {label: f"New/{number}" for number, label in enumerate(names)}
    new = relabelled(found, labels)
    said = compare(found, new)
    keeping = {label for label in moved if found.steps[label].holds}
    assert said.reasons == []
    # Of steps that keep nothing two may look alike: they need no mapping.
    assert said.mapping.items() <= labels.items()
    assert keeping <= said.mapping.keys()
    assert said.verdict == ("needs mapping" if said.mapping else "compatible")
    assert compare(relabelled(found, said.mapping), new).verdict == "compatible"


@given(ANY, st.data())
def test_a_change_of_anything_that_is_kept_is_incompatible_and_names_the_step(found, data):
    keeping = sorted(label for label, step in found.steps.items() if step.holds)
    label = data.draw(st.sampled_from(keeping))
    step = found.steps[label]
    path = data.draw(st.sampled_from(leaves(step.holds)))
    new = Step(label, step.kind, step.inputs, changed_at(step.holds, path, "changed"))
    said = compare(found, with_step(found, new))
    assert (said.verdict, said.mapping) == ("incompatible", {})
    assert [line for line in said.reasons if line.startswith(f"{label}: {' '.join(path)} was")]
    assert all("drain the job and start anew" in line for line in said.reasons)


@given(ANY, st.data())
def test_a_step_may_come_and_go_unless_it_keeps_something(found, data):
    gone = data.draw(st.sampled_from(sorted(found.steps)))
    rest = [
        Step(s.label, s.kind, tuple(p for p in s.inputs if p.step != gone), s.holds)
        for s in found.steps.values()
        if s.label != gone
    ]
    less = graph(*rest)
    assert compare(less, found).verdict == "compatible"
    said = compare(found, less)
    assert said.verdict == ("incompatible" if found.steps[gone].holds else "compatible")
    assert any(line.startswith(f"{gone}: is gone") for line in (*said.reasons, *said.notes))


def test_a_renamed_part_is_told_though_others_came_in_between():
    old = graph(read(), plain("Decode", "Read"), grouped("Dedupe/Group", "Decode"))
    new = graph(
        read(),
        plain("Decode", "Read"),
        plain("Check", "Decode"),
        grouped("FindCopies/Group", "Check"),
    )
    said = compare(old, new)
    assert (said.verdict, said.mapping) == ("needs mapping", {"Dedupe/Group": "FindCopies/Group"})
    assert said.notes == ["Check: is new"]


def test_labels_that_changed_places_are_a_mapping():
    old = graph(read(), grouped("A", "Read", value="int"), grouped("B", "Read", value="text"))
    new = relabelled(old, {"A": "B", "B": "A"})
    assert compare(old, new).mapping == {"A": "B", "B": "A"}


def test_labels_that_two_of_one_shape_have_exchanged_are_a_mapping_and_not_compatible():
    left, right = grouped("A", "Left"), grouped("B", "Right")
    old = graph(read(), plain("Left", "Read"), plain("Right", ("Read", "rejected")), left, right)
    assert compare(old, relabelled(old, {"A": "B", "B": "A"})).mapping == {"A": "B", "B": "A"}
    # Also where what is before them cannot be told apart but by its labels.
    old = graph(read(), plain("Left", "Read"), plain("Right", "Read"), left, right)
    assert compare(old, relabelled(old, {"A": "B", "B": "A"})).mapping == {"A": "B", "B": "A"}


def test_composites_that_have_exchanged_their_labels_are_a_mapping_and_not_compatible():
    old = kept("hot_live")
    refused, late = "Quarantine/WriteRejects/", "WriteLate/WriteLateLines/WriteLineObjects/"
    labels = {each: each.replace(refused, late) for each in old.steps if refused in each}
    labels |= {to: each for each, to in labels.items()}
    said = compare(old, relabelled(old, labels))
    assert (said.verdict, said.mapping) == ("needs mapping", labels)


def test_a_label_whose_step_changed_is_not_explained_by_a_new_step_that_is_as_it_was():
    old = graph(read(), grouped("Windows", "Read"))
    new = graph(read(), grouped("Windows", "Read", value="text"), grouped("Others", "Read"))
    said = compare(old, new)
    assert said.verdict == "incompatible"
    assert said.reasons == ["Windows: value was bytes, is text: drain the job and start anew"]


def test_two_that_look_alike_are_told_by_the_rest_of_their_labels_and_else_not_guessed():
    old = graph(read(), grouped("Old/Left/Group", "Read"), grouped("Old/Right/Group", "Read"))
    moved = {"Old/Left/Group": "New/Left/Group", "Old/Right/Group": "New/Right/Group"}
    assert compare(old, relabelled(old, moved)).mapping == moved
    said = compare(old, relabelled(old, {"Old/Left/Group": "A", "Old/Right/Group": "B"}))
    assert (said.verdict, said.mapping) == ("incompatible", {})
    assert said.reasons == [
        f"{label}: is gone, and whether it is A or B now cannot be told: give it its label back,"
        " or drain the job and start anew"
        for label in moved
    ]


def test_a_step_that_gains_a_side_input_or_state_is_incompatible():
    old = graph(read(), plain("Look", "Read"))
    new = graph(read(), Step("Look", "pardo", places(["Read"]), {"side_inputs": {"side0": {}}}))
    assert compare(old, new).reasons == [
        'Look: side_inputs was not there, is {"side0": {}}: drain the job and start anew'
    ]


FIELDS = ["payload: bytes", "count: int = ..."]


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        (FIELDS, "compatible"),
        ([*FIELDS, "last: str = ..."], "compatible"),
        (["payload: bytes = ...", "count: int"], "compatible"),
        ([*FIELDS, "last: str"], "incompatible"),
        (["first: str = ...", *FIELDS], "incompatible"),
        (["payload: str", "count: int = ..."], "incompatible"),
        (FIELDS[:1], "incompatible"),
    ],
)
def test_fields_of_a_record_may_only_be_added_at_the_end_with_a_default(fields, verdict):
    steps = graph(read()).steps
    said = compare(Graph(steps, {"schemas.R": FIELDS}), Graph(steps, {"schemas.R": fields}))
    assert said.verdict == verdict
    assert all(
        reason.startswith("schemas.R: fields were payload: bytes") for reason in said.reasons
    )
    assert compare(Graph(steps), Graph(steps, {"schemas.R": fields})).verdict == "compatible"


def test_a_record_may_have_another_name_but_has_to_be_there():
    steps = graph(read()).steps
    old = Graph(steps, {"schemas.R": FIELDS})
    assert compare(old, Graph(steps, {"schemas.S": FIELDS})).verdict == "compatible"
    assert compare(old, Graph(steps)).verdict == "compatible"
    said = compare(old, Graph(steps, {"schemas.S": FIELDS[1:]}))
    assert [line.partition(" with")[0] for line in said.reasons] == ["schemas.R: is gone"]


@pytest.mark.parametrize("name", KEPT)
def test_the_kept_graphs_have_the_fields_of_all_records_that_are_kept(name):
    found = kept(name)
    named = set(re.findall(r"StructCoder\(([\w.]+)\)", KEPT[name].read_text()))
    assert named <= found.structs.keys()
    states = [step.label for step in found.steps.values() if "states" in step.holds]
    assert bool(states) <= any(struct.startswith("transforms.") for struct in found.structs)
    if "schemas.packs.RawPack" in found.structs:
        assert found.structs["schemas.packs.RawPack"][0] == "payloads: list[bytes]"


def test_a_graph_is_kept_of_each_launch_that_streams():
    """Where this fails: `make graphs`."""
    streams = {
        f"templates/{launch.pipeline}/graphs/{name}.json"
        for name, launch in launches_of("gs://bucket").items()
        if launch.streams
    }
    assert {path.relative_to(ROOT).as_posix() for path in KEPT.values()} == streams
    assert all(json_of(kept(name)) == path.read_text() for name, path in KEPT.items())
