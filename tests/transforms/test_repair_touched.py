"""Touched tiles: a superset of those that differ, and after their repair no tile differs."""

import apache_beam as beam
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.candidates import Candidate
from schemas.cell_lines import change_json, parse_change
from schemas.cells import Cell, Clear, RowChange
from schemas.changes import ChangePack
from schemas.events import RawEvent
from schemas.rejected import Reason, Rejected, reject
from schemas.repairs import Repair, RepairedTile
from tests.engine import run_batch
from tests.feature_builders import (
    BASE,
    DECODER,
    FEATURES,
    HOUR,
    Table,
    View,
    changes_of,
    expected,
    program,
    shard,
    view_bytes,
    written_by,
)
from transforms.decode_anew import span_of, touches_of
from transforms.extract_changes import row_shard
from transforms.log_repairs import read_repairs, write_repair
from transforms.repair_touched import RepairTouched, TouchedRows, change_key
from transforms.row_cells import Definitions, Tally

pytestmark = pytest.mark.engine

DEFINITIONS = Definitions([FEATURES])
LENGTHS = {feature.name: feature.tile for feature in FEATURES.features}
TABLE = "projects/p/instances/i/tables/t"
MOMENTS = st.integers(0, 3 * HOUR // 1_000).map(lambda ms: BASE + ms * 1_000)
VIEWS = st.lists(
    st.builds(
        View,
        st.uuids().map(str),
        st.sampled_from(["ana", "bo"]),
        MOMENTS,
        st.sampled_from(["/", "/a", ""]),
        st.none() | st.integers(-9, 9),
    ),
    min_size=1,
    max_size=20,
    unique_by=(lambda view: view.event_id, lambda view: (view.user, view.time)),
)
CHANCE = st.randoms(use_true_random=False)


def touches(view):
    record = DECODER.reread(view_bytes(view), {})
    return touches_of(program(), record, view.time)


def places(found):
    """Return what touches name, as a reader of the table would."""
    names = {slot: form.name for slot, form in DEFINITIONS.tiles.items()}
    fields = {slot: field.name for slot, field in DEFINITIONS.state.items()}
    return {
        place
        for touch in found
        for place in (
            *((touch.row_key, "s", fields[slot], 0) for slot in touch.state),
            *((touch.row_key, "t", names[slot], at * 60_000_000) for slot, at in touch.tiles),
        )
    }


def flat(rows):
    return {(key, *place): value for key, row in rows.items() for place, value in row.items()}


def halves(views, chance):
    return [views[:1], views[1:]] if chance.random() < 0.5 else [views]


@settings(max_examples=100)
@given(VIEWS, CHANCE)
def test_what_differs_without_some_events_is_touched_by_them(views, chance):
    missing = [view for view in views if chance.random() < 0.4]
    whole = flat(expected(views))
    part = flat(expected([view for view in views if view not in missing]))
    differ = {place for place in whole if whole[place] != part.get(place)}
    found = [touch for view in missing for touch in touches(view)]
    assert differ <= places(found)
    for view in missing:
        start, end = span_of(touches(view), view.time, DEFINITIONS)
        assert start <= view.time < end
        for _, family, name, at in places(touches(view)):
            assert family == "s" or (start <= at and at + LENGTHS[name] <= end)


@settings(max_examples=100)
@given(VIEWS, VIEWS, CHANCE)
def test_after_the_repair_touched_tiles_are_right_and_the_others_as_they_were(
    views, invented, chance
):
    """Whatever stood there: live may have lost events, and counted some that there are not."""
    missing = [view for view in views if chance.random() < 0.4]
    table = Table()
    job = shard()
    table.write(written_by(job, [view for view in views if view not in missing]))
    if chance.random() < 0.3:
        table.write(written_by(shard(), invented))
    before = flat(table.final())
    asked = [touch for view in missing for touch in touches(view)]
    chance.shuffle(asked)
    rows = TouchedRows(DEFINITIONS, asked)
    chance.shuffle(views)
    for some in halves(views, chance):
        rows.load(changes_of(some))
    changes = list(rows.changes(Tally()))
    after, truth, touched = flat(table.write(changes).final()), flat(expected(views)), places(asked)
    for place in after.keys() | truth.keys():
        if place not in touched:
            assert after.get(place) == before.get(place)
        elif place[1] == "t":
            assert after[place] == truth[place]
        else:
            assert after[place][0] == max(truth[place][0], before.get(place, (0,))[0])
    assert flat(table.write(changes).final()) == after
    # What live has known all along, and writes once more, loses.
    known = [view for view in views if view not in missing]
    kept = {place: after[place] for place in touched if place[1] == "t"}
    again = flat(table.write(written_by(shard(), known)).final())
    assert {place: again[place] for place in kept} == kept


def candidate(view):
    found = touches(view)
    record = Rejected("Decode", "wrong_type", "", view_bytes(view), {}, "", "", None, view.time)
    span = span_of(found, view.time, DEFINITIONS)
    return Candidate(record, bytes(16), bytes(16), *span, found)


def refused(change, rejected_at):
    raw = RawEvent(change_json(change), {"bigtable_table": TABLE})
    record = reject(raw, "WriteCells", Reason.MUTATION_REFUSED, "NOT_FOUND")
    return msgspec.structs.replace(record, rejected_at=rejected_at)


def run(archive, views, missing, records, table=TABLE, bundle_repeat=0):
    def build(pipeline):
        packs = [(row_shard(row.row_key, 2), ChangePack([row])) for row in changes_of(views).rows]
        given = (
            pipeline
            | "A" >> beam.Create([candidate(v) for v in missing]).with_output_types(Candidate),
            pipeline | "B" >> beam.Create(packs).with_output_types(tuple[int, ChangePack]),
            pipeline | "C" >> beam.Create(records).with_output_types(Rejected),
        )
        return (given | RepairTouched([FEATURES], 2, str(archive), table))._asdict()

    return run_batch(build, bundle_repeat)


VIEW = View("e", "ana", BASE + 5, "/", None)
OTHER = View("o", "bo", BASE + 5, "/", None)


def change_of(user, *times, clears=()):
    row_key = touches(View("x", user, BASE, "/", None))[0].row_key
    return RowChange(
        row_key, [Cell("t", "views", time, b"v", time // HOUR * HOUR) for time in times], clears
    )


def test_a_refused_change_is_applied_again_whole_where_nothing_was_repaired(tmp_path):
    change = change_of("ana", BASE + 3_000, BASE + HOUR + 2_000)
    record = refused(change, 50)
    done = run(tmp_path, [], [], [record])
    assert done["changes"] == [change]
    assert done["applied"] == [(change_key(record.payload), record)]
    assert done["nothing_left"] == []


def test_cells_of_tiles_that_were_repaired_after_the_rejection_are_left_out(tmp_path):
    span = {"start": BASE - 5, "end": BASE + HOUR}
    write_repair(str(tmp_path), Repair(table=TABLE, run="a", started_at=51, **span))
    record = refused(change_of("ana", BASE + 3_000, BASE + HOUR + 2_000), 50)
    done = run(tmp_path, [], [], [record, refused(change_of("ana", BASE + 3_000), 50)])
    assert done["changes"] == [change_of("ana", BASE + HOUR + 2_000)]
    assert [each for _, each in done["applied"]] == [record]
    assert done["nothing_left"] == [refused(change_of("ana", BASE + 3_000), 50)]
    assert done.counters["repaired_later"] == 1


@pytest.mark.parametrize(
    "repair",
    [
        {"table": TABLE, "started_at": 50, "start": BASE, "end": BASE + HOUR},
        {"table": TABLE + "2", "started_at": 51, "start": BASE, "end": BASE + HOUR},
        {"table": TABLE, "started_at": 51, "start": BASE + 1, "end": BASE + HOUR},
        {
            "table": TABLE,
            "started_at": 51,
            "tiles": [RepairedTile(b"other", "views", BASE, BASE + HOUR)],
        },
    ],
    ids=["not later", "another table", "not the whole tile", "another row"],
)
def test_other_repairs_do_not_count(tmp_path, repair):
    write_repair(str(tmp_path), Repair(run="a", **repair))
    change = change_of("ana", BASE + 3_000)
    assert run(tmp_path, [], [], [refused(change, 50)])["changes"] == [change]


def test_a_refused_change_does_not_bring_back_what_this_run_repairs(tmp_path):
    clears = (Clear("t", "views", BASE - HOUR, BASE + 2 * HOUR),)
    record = refused(change_of("ana", BASE + 9_000, clears=clears), 50)
    done = run(tmp_path, [VIEW], [VIEW], [record])
    table = Table().write(done["changes"])
    (again,) = [each for each in done["changes"] if each.clears and not each.cells]
    assert again.clears == (
        Clear("t", "views", BASE - HOUR, BASE),
        Clear("t", "views", BASE + HOUR, BASE + 2 * HOUR),
    )
    assert table.final() == expected([VIEW])


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_the_step_repairs_rows_that_are_touched_and_names_their_tiles(tmp_path, bundle_repeat):
    done = run(tmp_path, [VIEW, OTHER], [VIEW], [], bundle_repeat=bundle_repeat)
    changes = {change.row_key: change for change in done["changes"]}
    assert Table().write(changes.values()).final() == expected([VIEW])
    assert {(tile.qualifier, tile.start, tile.end) for tile in done["tiles"]} == {
        (name, BASE, BASE + LENGTHS[name]) for name in ("views", "pages", "final")
    }
    if not bundle_repeat:
        assert done.counters["tiles_repaired"] == 3
        assert done.counters["rows_repaired"] == 1


def test_a_change_is_found_again_by_what_the_writer_refuses_of_it():
    change = change_of("ana", BASE + 3_000)
    assert change_key(change_json(parse_change(change_json(change)))) == change_key(
        change_json(change)
    )


def test_a_file_among_the_repairs_that_is_none_is_an_error(tmp_path):
    path = write_repair(str(tmp_path), Repair(table=TABLE, run="a", started_at=1))
    with open(path, "wb") as file:
        file.write(b"{")
    with pytest.raises(RuntimeError, match=r"a\.[0-9a-f]+\.json: no record of a repair"):
        list(read_repairs(str(tmp_path), TABLE))
