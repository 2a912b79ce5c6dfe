"""The entity step's logic: order, coverage, closing, and what is saved of it."""

import itertools
import pathlib
import random
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.changes import ChangePack, RowPart
from schemas.events import MIN_MICROS
from schemas.values import ValueType, decode_value
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
from transforms.entity_shard import EntityShard
from transforms.row_cells import Definitions, Tally

TIMES = st.integers(0, 3 * HOUR // 1_000).map(lambda ms: BASE + ms * 1_000)
FEW_TIMES = st.sampled_from([BASE, BASE + 999, BASE + 1_000, BASE + HOUR - 1, BASE + HOUR])
VIEWS = st.lists(
    st.builds(
        View,
        st.uuids().map(str),
        st.sampled_from(["ana", "bo"]),
        st.one_of(TIMES, FEW_TIMES),
        st.sampled_from(["/", "/a", ""]),
        st.one_of(st.none(), st.integers(-9, 9)),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda view: view.event_id,
)
CHANCE = st.randoms(use_true_random=False)


def groups_of(views, chance):
    """The events in any order, in bundles of any size."""
    shuffled = list(views)
    chance.shuffle(shuffled)
    while shuffled:
        size = chance.randint(1, len(shuffled))
        yield shuffled[:size]
        shuffled = shuffled[size:]


def without_ties(views):
    """One event a user and millisecond."""
    return list({(view.user, view.time // 1_000): view for view in views}.values())


@settings(max_examples=80)
@given(VIEWS, CHANCE)
def test_any_order_and_split_of_events_ends_in_the_one_right_row(views, chance):
    held, table = shard(), Table()
    for group in groups_of(views, chance):
        table.write(written_by(held, group))
    assert table.final() == expected(views)


@pytest.mark.engine
@settings(max_examples=80)
@given(VIEWS.map(without_ties), CHANCE)
def test_any_order_and_repetition_of_writes_ends_in_the_one_right_row(views, chance):
    assert final_of_shuffled_writes(views, chance) == expected(views)


@pytest.mark.engine
def test_two_thousand_histories_end_in_the_one_right_row():
    for seed in range(2_000):
        chance = random.Random(seed)
        views = [
            view(
                n,
                BASE + chance.randrange(2 * HOUR // 1_000) * 1_000,
                "ana",
                "/ab"[: chance.randint(1, 3)],
            )
            for n in range(chance.randint(1, 9))
        ]
        assert final_of_shuffled_writes(without_ties(views), chance) == expected(
            without_ties(views)
        )


def final_of_shuffled_writes(views, chance):
    """Write what a shard says in any order, some of it twice, for events in any order and split."""
    held = shard()
    changes = [change for group in groups_of(views, chance) for change in written_by(held, group)]
    changes += chance.choices(changes, k=len(changes) // 2)
    chance.shuffle(changes)
    return Table().write(changes).final()


@settings(max_examples=60)
@given(VIEWS, CHANCE)
def test_stream_and_batch_write_the_same_bytes(views, chance):
    streaming, batch, tally = shard(), shard(), Tally()
    stream = Table()
    for group in groups_of(views, chance):
        stream.write(written_by(streaming, group))
    for group in groups_of(views, chance):
        batch.load(changes_of(group))
    rows = list(batch.rows(tally))
    assert [row.row_key for row in rows] == sorted({row.row_key for row in rows})
    assert Table().write(rows).final() == stream.final()


@settings(max_examples=60)
@given(VIEWS, CHANCE)
def test_a_shard_restored_from_its_log_or_its_snapshot_goes_on_as_if_nothing_had_happened(
    views, chance
):
    held, log, tally, table = shard(), [], Tally(), Table()
    for group in groups_of(views, chance):
        kept = held.absorb(changes_of(group), MIN_MICROS, tally)
        table.write(held.changes(kept, tally))
        log.append(kept)
        way = chance.randrange(3)
        if way == 1:
            held = restored(log)
        elif way == 2:
            log = list(held.snapshot())
            held = restored(log)
    assert table.final() == expected(views)


def restored(packs, **given):
    fresh = shard(**given)
    for pack in packs:
        fresh.load(msgspec.msgpack.decode(msgspec.msgpack.encode(pack), type=ChangePack))
    return fresh


def view(number, time, user="ana", page="/", duration=1):
    return View(f"e{number:04d}", user, time, page, duration)


def counts(table):
    """The version and the value of `views` by hour, as a reader takes them."""
    return {
        (start - BASE) // HOUR: (timestamp - start) // 1_000
        for row in table.final().values()
        for (_, name, start), (timestamp, _) in row.items()
        if name == "views"
    }


def test_a_restarted_job_that_saw_other_events_breaks_the_naive_version_and_coverage_mends_it():
    before = [view(n, BASE + n * 1_000, page="/old") for n in range(5)]
    after = [view(n, BASE + n * 1_000, page="/new") for n in range(5, 12)]
    restart = BASE + 5_000
    truth = expected(before + after)

    naive = Table().write(written_by(shard(), before))
    naive.write(written_by(shard(), after))
    assert counts(naive) == {0: 7}, "seven of twelve events beat the five others"
    assert naive.final() != truth

    covered = Table().write(written_by(shard(), before))
    tally = Tally()
    covered.write(written_by(shard(covers_from=restart), after, tally=tally))
    assert counts(covered) == {0: 5}, "the tile stays as the first job left it until a repair"
    assert tally.tiles_withheld == 7
    covered.write(written_by(shard(), before + after))
    assert covered.final() == truth


def test_a_replay_that_begins_inside_a_tile_breaks_the_naive_version_and_coverage_mends_it():
    live = [view(n, BASE + n * 1_000) for n in range(4)]
    lost = [view(n, BASE + 2 * HOUR // 3 + n * 1_000) for n in range(4, 10)]
    replayed = [v for v in live + lost if v.time >= BASE + 1_000]

    naive = Table().write(written_by(shard(), live))
    naive.write(written_by(shard(), replayed))
    assert counts(naive) == {0: 9}, "the replay has more events and still not all"
    assert naive.final() != expected(live + lost)

    covered = Table().write(written_by(shard(), live))
    covered.write(written_by(shard(covers_from=BASE + 1_000), replayed))
    assert counts(covered) == {0: 4}
    assert covered.final()[b"24#user#ana"]["s", "last_page", 0] == (replayed[-1].time, b"/")
    covered.write(written_by(shard(covers_from=BASE), live + lost))
    assert covered.final() == expected(live + lost)


def test_a_withheld_tile_is_counted_once_and_last_values_are_written_all_the_same():
    held, tally = shard(covers_from=BASE + 1), Tally()
    first = written_by(held, [view(1, BASE + 5, duration=None)], tally=tally)
    second = written_by(held, [view(2, BASE + 6_000, duration=None)], tally=tally)
    assert tally.tiles_withheld == 3
    assert [[cell.qualifier for cell in change.cells] for change in first + second] == [
        ["last_page"],
        ["last_page"],
    ]


def test_a_tile_that_begins_where_coverage_begins_is_written():
    tally = Tally()
    assert counts(
        Table().write(written_by(shard(covers_from=BASE), [view(1, BASE)], tally=tally))
    ) == {0: 1}
    assert tally == Tally()


def test_a_withheld_tile_stays_withheld_for_a_successor_that_is_told_of_more_coverage():
    held, tally = shard(covers_from=BASE + 1), Tally()
    log = [held.absorb(changes_of([view(1, BASE + 5)]), MIN_MICROS, tally)]
    successor = restored(log)
    assert counts(Table().write(written_by(successor, [view(2, BASE + 6)]))) == {}
    successor = restored(list(held.snapshot()))
    assert counts(Table().write(written_by(successor, [view(2, BASE + 6)]))) == {}


def test_an_open_tile_goes_on_in_a_successor_that_was_launched_inside_it():
    held, tally = shard(), Tally()
    log = [held.absorb(changes_of([view(1, BASE)]), MIN_MICROS, tally)]
    successor = restored(log, covers_from=BASE + HOUR // 2)
    assert counts(Table().write(written_by(successor, [view(2, BASE + 9)]))) == {0: 2}


def test_a_tile_is_kept_until_the_watermark_has_passed_its_end_by_two_horizons():
    held, tally = shard(horizon=HOUR), Tally()
    written_by(held, [view(1, BASE, duration=None)], tally=tally)
    held.expire(BASE + 3 * HOUR - 1)
    again = [view(2, BASE + 1, duration=None)]
    on_time = written_by(held, again, lower=BASE + 3 * HOUR - 1, tally=tally)
    assert counts(Table().write(on_time)) == {0: 2}
    assert tally == Tally()
    assert held.expire(BASE + 3 * HOUR) > 0
    gone = written_by(held, [view(3, BASE + 2)], lower=BASE + 3 * HOUR, tally=tally)
    assert counts(Table().write(gone)) == {}
    assert tally.tiles_reopened == 7


def test_what_has_expired_leaves_no_memory_behind():
    held = shard(horizon=HOUR)
    for number in range(200):
        written_by(held, [view(number, BASE + number * HOUR // 4, user=f"u{number}")])
    assert len(held) == 200
    held.expire(BASE + 60 * HOUR)
    assert len(held) == 0
    assert held.entries() == 0
    assert list(held.snapshot()) == []


def test_a_last_value_is_forgotten_after_two_horizons_and_an_older_one_still_cannot_win():
    held, table = shard(horizon=HOUR), Table()
    table.write(written_by(held, [view(1, BASE + 2 * HOUR, page="/new")]))
    held.expire(BASE + 50 * HOUR)
    table.write(written_by(held, [view(2, BASE, page="/old")], lower=BASE + 50 * HOUR))
    assert table.rows()[b"24#user#ana"][0][3] == b"/new"


def test_of_two_events_in_one_millisecond_the_greater_id_is_written_in_every_order():
    tied = [view(n, BASE + n, page=f"/{n}") for n in range(4)]
    for order in itertools.permutations(tied):
        held, table = shard(), Table()
        for one in order:
            table.write(written_by(held, [one]))
        assert table.rows()[b"24#user#ana"][0] == ("s", "last_page", BASE, b"/3")


def test_an_older_last_value_is_neither_written_nor_saved():
    held, tally = shard(), Tally()
    held.absorb(changes_of([view(2, BASE + 5_000)], late=True), MIN_MICROS, tally)
    kept = held.absorb(changes_of([view(1, BASE)], late=True), MIN_MICROS, tally)
    assert kept == ChangePack([])
    assert list(held.changes(kept, tally)) == []


def test_more_events_than_versions_are_counted_and_the_value_goes_on():
    definitions = Definitions([FEATURES])
    slot = next(f.slot for f in FEATURES.features if f.name == "total")
    held, tally = EntityShard(definitions, HOUR, MIN_MICROS), Tally()
    minute = BASE // 60_000_000
    for n, version in ((299_998, 299_998), (1, 299_999), (1, 299_999), (5, 299_999)):
        pack = ChangePack([RowPart(b"k", {}, {minute: {slot: (n, n)}})])
        [change] = held.changes(held.absorb(pack, MIN_MICROS, tally), tally)
        assert change.cells[0].timestamp == BASE + version * 1_000
    assert tally.versions_capped == 2
    assert decode_value(ValueType("long"), change.cells[0].value) == 300_005


def test_a_sum_beyond_64_bits_is_counted():
    slot = next(f.slot for f in FEATURES.features if f.name == "total")
    held, tally = shard(), Tally()
    pack = ChangePack([RowPart(b"k", {}, {0: {slot: (2, 2**63 - 1)}})] * 2)
    [change] = held.changes(held.absorb(pack, MIN_MICROS, tally), tally)
    assert tally.sums_saturated == 1
    assert change.cells[0].value.hex() == "7fffffffffffffff"


def test_changes_of_features_that_are_gone_are_counted_and_do_no_harm():
    held, tally = shard(), Tally()
    pack = ChangePack([RowPart(b"k", {1: (0, "e", "x")}, {0: {2: 1}})])
    assert held.absorb(pack, MIN_MICROS, tally) == ChangePack([])
    assert tally.changes_unknown == 2
    held.load(pack)
    held.expire(BASE)
    assert list(held.rows(tally)) == []


def only(*names):
    """The definitions of a job that has some of the features."""
    kept = [feature for feature in FEATURES.features if feature.name in names]
    return EntityShard(
        Definitions([msgspec.structs.replace(FEATURES, features=kept)]), HOUR, MIN_MICROS
    )


def test_a_change_in_flight_of_a_feature_that_is_gone_is_counted_after_a_restart():
    held, tally = shard(), Tally()
    log = [held.absorb(changes_of([view(1, BASE)]), MIN_MICROS, tally)]
    successor = only("views")
    assert sum(map(successor.load, log)) == len(FEATURES.features) - 1
    kept = successor.absorb(changes_of([view(2, BASE + 1)]), MIN_MICROS, tally)
    [change] = successor.changes(kept, tally)
    values = {cell.qualifier: cell.value[-1] for cell in change.cells if cell.family == "t"}
    assert values == {"views": 2}
    assert tally.changes_unknown == len(FEATURES.features) - 1


def test_what_a_shard_saves_again_has_nothing_of_features_that_are_gone():
    held, successor = shard(), only("views")
    held.absorb(changes_of([view(1, BASE)]), MIN_MICROS, Tally())
    for pack in held.snapshot():
        successor.load(pack)
    assert sum(restored([]).load(pack) for pack in successor.snapshot()) == 0
    [row] = next(successor.snapshot()).rows
    assert {len(entries) for entries in row.tiles.values()} == {1}


def test_the_cells_of_a_row_are_sorted_and_clear_the_older_versions_of_their_tile():
    views = [view(n, BASE + n * HOUR, page=f"/{n}") for n in range(3)]
    random.Random(1).shuffle(views)
    [change] = written_by(shard(), views)
    places = [(cell.family, cell.qualifier, cell.timestamp) for cell in change.cells]
    assert places == sorted(places)
    assert {cell.clear_from for cell in change.cells if cell.family == "s"} == {None}
    assert all(
        cell.clear_from <= cell.timestamp - 1_000 and cell.clear_from % (HOUR // 12) == 0
        for cell in change.cells
        if cell.family == "t"
    )


def test_the_row_in_the_docs_is_the_row_that_is_written():
    page = pathlib.Path(__file__).parents[2] / "docs" / "bigtable.md"
    documented = {
        (family, qualifier, int(timestamp), bytes.fromhex(value))
        for family, qualifier, timestamp, value in re.findall(
            r"^\| `([st])` \| `(\w+)` \| (\d+) \| `([0-9a-f]+)` \|$", page.read_text(), re.MULTILINE
        )
    }
    views = [view(1, BASE, page="/a"), view(2, BASE + 1_500_000, page="/b")]
    row = Table().write(written_by(shard(), views)).rows()[b"24#user#ana"]
    assert len(documented) == 3
    assert documented <= set(row)
