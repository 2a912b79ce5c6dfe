"""Pictures of pipelines: flows lead down, no box covers another, the same steps look the same."""

from itertools import combinations, pairwise
from xml.etree import ElementTree

import apache_beam as beam
from hypothesis import given
from hypothesis import strategies as st

from local.docs_layers import place
from local.docs_picture import picture
from local.docs_steps import Flow, Steps, steps_of
from schemas.rejected import Rejected

WIDTH = 100.0


@st.composite
def graphs(draw):
    """Draw names in an order, and edges that lead from earlier names to later ones."""
    names = [f"n{n}" for n in range(draw(st.integers(1, 12)))]
    pairs = list(combinations(names, 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return names, edges


@given(graphs())
def test_every_edge_leads_down_row_by_row_and_no_box_covers_another(graph):
    names, edges = graph
    boxes, ways = place(dict.fromkeys(names, WIDTH), edges)
    assert list(boxes) == names
    assert list(ways) == edges
    for (giver, taker), way in ways.items():
        assert (way[0], way[-1]) == (boxes[giver], boxes[taker])
        assert all(lower.row == upper.row + 1 for upper, lower in pairwise(way))
    rows = [sorted(at.x for at in boxes.values() if at.row == row) for row in range(len(names))]
    assert all(right - left >= WIDTH - 1e-6 for row in rows for left, right in pairwise(row))
    assert min(at.row for at in boxes.values()) == 0


@given(graphs())
def test_a_picture_is_the_same_bytes_for_the_same_steps_and_names_each_of_them(graph):
    names, edges = graph
    steps = Steps(tuple(names), tuple(Flow(*edge, "usual") for edge in edges))
    drawn = picture(steps, 'of "all" & more')
    assert picture(steps, 'of "all" & more') == drawn
    texts = [each.text for each in ElementTree.fromstring(drawn).iter() if each.text]
    assert [text for text in texts if text.strip()] == names


def test_steps_are_those_that_a_job_names_with_what_flows_between_them():
    pipeline = beam.Pipeline()
    read = pipeline | "Read" >> beam.Create([1])
    refused = read | "Check" >> beam.Map(lambda n: n).with_output_types(Rejected)
    joined = (refused, refused) | "FlattenBoth" >> beam.Flatten()
    _ = joined | "Group" >> beam.Map(str, beam.pvalue.AsList(read))
    assert steps_of(pipeline) == Steps(
        ("Read", "Check", "FlattenBoth", "Group"),
        (
            Flow("Read", "Check", "usual"),
            Flow("Check", "FlattenBoth", "refused"),
            Flow("FlattenBoth", "Group", "refused"),
            Flow("Read", "Group", "usual"),
        ),
    )


def test_a_step_that_joins_is_a_dot_and_what_is_refused_is_drawn_so():
    flows = (Flow("Decode", "FlattenAll", "refused"), Flow("FlattenAll", "Quarantine", "refused"))
    drawn = picture(Steps(("Decode", "FlattenAll", "Quarantine"), flows), "a job")
    assert "FlattenAll" not in drawn
    assert drawn.count("<circle") == 1
    assert drawn.count('marker-end="url(#refused)"') == 2
