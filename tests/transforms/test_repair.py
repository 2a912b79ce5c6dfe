"""Repairs: after one, the covered tiles are those of its input, whatever stood there before."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cells import Clear
from schemas.changes import ChangePack
from schemas.events import MAX_MICROS, MIN_MICROS
from tests.engine import run_batch
from tests.feature_builders import (
    BASE,
    FEATURES,
    HOUR,
    Table,
    View,
    changes_of,
    expected,
    shard,
    written_by,
)
from transforms.extract_changes import row_shard
from transforms.fold_entities import FoldEntities
from transforms.row_cells import Tally

USERS = ["ana", "bo"]
MOMENTS = st.integers(0, 4 * HOUR // 1_000).map(lambda ms: BASE + ms * 1_000)
VIEWS = st.lists(
    st.builds(
        View,
        st.uuids().map(str),
        st.sampled_from(USERS),
        MOMENTS,
        st.sampled_from(["/", "/a", ""]),
        st.one_of(st.none(), st.integers(-9, 9)),
    ),
    max_size=25,
    unique_by=(lambda view: view.event_id, lambda view: (view.user, view.time)),
)
SPANS = st.tuples(MOMENTS, MOMENTS).filter(lambda span: span[0] < span[1])
CHANCE = st.randoms(use_true_random=False)
LENGTHS = {feature.name: feature.tile for feature in FEATURES.features}


def live_table(views, chance):
    """What several jobs in a row left that each saw some of the events, and covered nothing."""
    table = Table()
    for _ in range(chance.randint(1, 3)):
        seen = [view for view in views if chance.random() < 0.7]
        chance.shuffle(seen)
        job = shard()
        for first in range(0, len(seen), 4):
            table.write(written_by(job, seen[first : first + 4]))
    return table


def repair_of(views, span, tally=None):
    held = shard(covers_from=span[0], covers_to=span[1])
    held.load(changes_of(views))
    return list(held.repairs(tally or Tally()))


def split(final, span):
    """Tiles wholly inside a span, tiles that are not, and last values."""
    inside, outside, state = {}, {}, {}
    for key, row in final.items():
        for place, held in row.items():
            family, name, start = place
            whole = (key, family, name, start)
            if family == "s":
                state[whole] = held
            elif span[0] <= start and start + LENGTHS[name] <= span[1]:
                inside[whole] = held
            else:
                outside[whole] = held
    return inside, outside, state


def with_some_of_each(views):
    """An event of each user, so that no row is out of a repair's sight."""
    return views + [View(f"of {user}", user, BASE + 9, "/", None) for user in USERS]


@pytest.mark.engine
@settings(max_examples=100)
@given(VIEWS, VIEWS, SPANS, CHANCE)
def test_whatever_live_lost_or_invented_the_covered_tiles_are_right_and_the_others_untouched(
    views, invented, span, chance
):
    views = with_some_of_each(views)
    table = live_table(views + invented, chance)
    before = split(table.final(), span)
    table.write(repair_of(views, span))
    inside, outside, state = split(table.final(), span)
    truth = split(expected(views), span)
    assert inside == truth[0]
    assert outside == before[1]
    for place, held in truth[2].items():
        assert state[place][0] == max(held, before[2].get(place, held))[0]


@pytest.mark.engine
@settings(max_examples=80)
@given(VIEWS, CHANCE)
def test_of_a_span_that_holds_everything_the_whole_rows_are_those_of_all_events(views, chance):
    views = with_some_of_each(views)
    table = live_table(views, chance)
    table.write(repair_of(views, (BASE - HOUR, BASE + 6 * HOUR)))
    assert table.final() == expected(views)


@pytest.mark.engine
@settings(max_examples=80)
@given(VIEWS, VIEWS, SPANS, CHANCE)
def test_repeated_repairs_and_later_writes_of_fewer_events_change_nothing(
    views, invented, span, chance
):
    table = live_table(views + invented, chance).write(repair_of(views, span))
    repaired, cells = split(table.final(), span), table.rows()
    table.write(repair_of(views, span))
    assert table.rows() == cells
    job = shard()
    for first in range(0, len(views), 5):
        some = [view for view in views[first : first + 5] if chance.random() < 0.7]
        table.write(written_by(job, some))
    inside, _, state = split(table.final(), span)
    assert (inside, state) == (repaired[0], repaired[2])


def test_a_live_tile_that_counted_too_much_and_one_without_events_are_as_the_archive_says():
    counted = [View(f"e{n}", "ana", BASE + n * 1_000, "/", n) for n in range(9)]
    gone = View("gone", "ana", BASE + HOUR, "/", 1)
    table = Table().write(written_by(shard(), [*counted, gone]))
    # The row is found by an event after the span.
    after = View("after", "ana", BASE + 2 * HOUR, "/", None)
    table.write(repair_of([*counted[:4], after], (BASE, BASE + 2 * HOUR)))
    tiles = {
        place: held for place, held in table.final()[b"24#user#ana"].items() if place[0] == "t"
    }
    truth = expected(counted[:4])[b"24#user#ana"]
    assert tiles == {place: held for place, held in truth.items() if place[0] == "t"}


def test_a_row_that_the_input_does_not_touch_keeps_what_it_has():
    table = Table().write(written_by(shard(), [View("e", "ana", BASE, "/", 1)]))
    before = table.rows()[b"24#user#ana"]
    table.write(repair_of([View("f", "bo", BASE, "/", 1)], (BASE, BASE + HOUR)))
    assert table.rows()[b"24#user#ana"] == before


def test_a_repair_clears_every_feature_to_its_own_tiles_and_its_cells_clear_nothing():
    span = (BASE + 1, BASE + 2 * HOUR + HOUR // 2 + 7)
    tally = Tally()
    views = [View("e", "ana", BASE + 1, "/", 1), View("f", "ana", BASE + HOUR, "/", 1)]
    [change] = repair_of(views, span, tally)
    hours = (BASE + HOUR, BASE + 2 * HOUR)
    minutes = (BASE + HOUR // 12, BASE + 2 * HOUR + HOUR // 2)
    assert change.clears == tuple(
        Clear("t", name, *(minutes if name == "total" else hours)) for name in sorted(LENGTHS)
    )
    assert {cell.clear_from for cell in change.cells} == {None}
    assert {cell.timestamp // 1_000_000 for cell in change.cells} == {(BASE + HOUR) // 1_000_000}
    assert tally == Tally(tiles_withheld=7)


def test_a_span_without_a_whole_tile_clears_nothing():
    [change] = repair_of([View("e", "ana", BASE + 1, "/", 1)], (BASE, BASE + HOUR // 12 - 1))
    assert change.clears == ()
    assert [cell.family for cell in change.cells] == ["s"]


def test_no_time_before_1970_is_cleared():
    [change] = repair_of([View("e", "ana", BASE, "/", 1)], (-3 * HOUR, HOUR))
    assert {(clear.start, clear.end) for clear in change.clears} == {(0, HOUR)}
    [change] = repair_of([View("e", "ana", BASE, "/", 1)], (-3 * HOUR, 0))
    assert change.clears == ()


def test_a_tile_that_ends_after_the_coverage_is_withheld_in_stream_and_batch():
    views = [View("e", "ana", BASE, "/", None), View("f", "ana", BASE + HOUR, "/", None)]
    span = {"covers_from": BASE, "covers_to": BASE + 2 * HOUR - 1}
    streamed, tally = Table(), Tally()
    streamed.write(written_by(shard(**span), views, tally=tally))
    batch, counted = shard(**span), Tally()
    batch.load(changes_of(views))
    assert streamed.final() == Table().write(batch.rows(counted)).final()
    assert {start for _, _, start in streamed.final()[b"24#user#ana"]} == {0, BASE}
    assert tally == counted == Tally(tiles_withheld=3)


def fold(**given):
    return FoldEntities(
        **{"features": [FEATURES], "horizon": 3600, "covers_from": BASE, "repair": True, **given}
    )


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_a_batch_job_repairs_each_row_in_one_change(bundle_repeat):
    views = [View(f"e{n}", USERS[n % 2], BASE + n * HOUR // 4, "/", n) for n in range(12)]
    span = (BASE, BASE + 2 * HOUR)

    def build(pipeline):
        packs = [
            (row_shard(row.row_key, 2), ChangePack([row]))
            for first in range(0, 12, 5)
            for row in changes_of(views[first : first + 5]).rows
        ]
        changes = pipeline | beam.Create(packs).with_output_types(tuple[int, ChangePack])
        return {"rows": changes | fold(covers_to=span[1])}

    outcome = run_batch(build, bundle_repeat)
    assert {row.row_key: row for row in outcome["rows"]} == {
        row.row_key: row for row in repair_of(views, span)
    }
    if not bundle_repeat:
        assert len(outcome["rows"]) == len(USERS)
        assert outcome.counters["tiles_withheld"] == 4 + 6 * 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"covers_to": MAX_MICROS}, "give covers_from and covers_to"),
        ({"covers_from": MIN_MICROS, "covers_to": BASE}, "give covers_from and covers_to"),
        ({"covers_to": BASE}, "give a time after covers_from"),
    ],
)
def test_a_span_that_cannot_be_repaired_is_refused_with_the_remedy(wrong, words):
    with pytest.raises(ValueError, match=words):
        fold(**wrong)


def test_a_stream_cannot_be_a_repair():
    pipeline = beam.Pipeline(options=PipelineOptions(streaming=True))
    endless = pipeline | TestStream().with_output_types(tuple[int, ChangePack])
    with pytest.raises(ValueError, match="read a bounded input"):
        _ = endless | "auto" >> fold(covers_to=BASE + HOUR)
    with pytest.raises(ValueError, match="read a bounded input"):
        _ = endless | "batch" >> fold(covers_to=BASE + HOUR, mode="batch")
    bounded = beam.Pipeline() | beam.Create([]).with_output_types(tuple[int, ChangePack])
    with pytest.raises(ValueError, match="read a bounded input"):
        _ = bounded | fold(covers_to=BASE + HOUR, mode="stream")
