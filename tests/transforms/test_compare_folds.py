"""Served tiles against curated events: equal for any events, and each fault is named."""

import datetime
import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cells import row_key
from schemas.coverage import Coverage
from schemas.curated_records import CuratedRecords
from schemas.fold_findings import fold_finding
from tests.feature_builders import (
    BASE,
    CONTRACTS,
    FEATURES,
    HOUR,
    Table,
    View,
    changes_of,
    shard,
    written_by,
)
from transforms.compare_folds import Sampling, compare_folds, feature_row_paths
from transforms.row_cells import Tally

RECORDS = CuratedRecords(CONTRACTS, feature_row_paths([FEATURES]))
SPAN = Coverage(BASE, BASE + 4 * HOUR)
ALL = Sampling(SPAN, 10, BASE)
VIEWS = st.lists(
    st.builds(
        View,
        event_id=st.integers(0, 30).map(str),
        user=st.sampled_from(["ana", "bo", "cy", "di"]),
        time=st.integers(BASE - HOUR, BASE + 5 * HOUR),
        page=st.sampled_from(["/", "/a"]),
        duration=st.none() | st.sampled_from([0, 7, 2**60]),
    ),
    max_size=25,
    unique_by=lambda view: view.event_id,
)


def row(view):
    moment = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    moment += datetime.timedelta(microseconds=view.time)
    return {
        "event_id": view.event_id,
        "event_type": "page_view",
        "user_id": view.user,
        "event_timestamp": moment.isoformat(),
        "content_digest": "",
        "ingest_time": "2026-01-01T00:00:00Z",
        "event_details": {"page": view.page, "duration_ms": view.duration},
    }


def compared(views, table, late=(), sampling=ALL):
    rows = table.rows()
    records = [RECORDS.of_parsed(row(view)) for view in views if SPAN.start <= view.time < SPAN.end]
    asked = []

    def read(keys):
        asked.extend(keys)
        return [(key, rows[key]) for key in keys if key in rows]

    found = compare_folds(CONTRACTS, [FEATURES], records, set(late), read, sampling)
    return found, asked


@settings(max_examples=30, deadline=None)
@given(VIEWS, st.randoms())
def test_what_a_job_wrote_is_what_rows_add_up_to(views, chance):
    table = Table().write(written_by(shard(), views))
    chance.shuffle(views)
    found, asked = compared(views, table)
    assert (found.wrong, found.late, found.shown) == (0, 0, [])
    assert found.entities == len(asked)
    if views and any(SPAN.start <= view.time < SPAN.end for view in views):
        assert found.tiles > 0


@settings(max_examples=30, deadline=None)
@given(VIEWS, st.data())
def test_tiles_that_lack_late_events_are_told_apart(views, data):
    late = data.draw(st.lists(st.sampled_from(views), unique=True)) if views else []
    kept = [view for view in views if view not in late]
    kept_shard, tally = shard(), Tally()
    changes = written_by(kept_shard, kept)
    behind = kept_shard.absorb(changes_of(late, late=True), BASE - 10 * HOUR, tally)
    table = Table().write([*changes, *kept_shard.changes(behind, tally)])
    found, _ = compared(views, table, {view.event_id for view in late})
    assert found.wrong == 0
    unexplained, _ = compared(views, table)
    assert unexplained.wrong == found.late


def spoiled(change):
    views = [View(f"e{n}", "ana", BASE + n * HOUR // 3, "/", 5) for n in range(9)]
    changes = [*written_by(shard(), views)]
    table = Table().write(changes)
    change(table._cells[row_key("user", "ana")])
    found, _ = compared(views, table)
    return fold_finding(found, "events")


def test_each_fault_of_a_tile_is_named_with_entity_feature_and_start():
    start = BASE + HOUR

    def another(cells):
        versions = cells["t", "most"]
        [at] = [time for time in versions if start <= time < start + HOUR]
        versions[at] = b"\0" * 8

    def gone(cells):
        del cells["t", "views"]

    def invented(cells):
        cells["t", "total"][start + 5 * 60_000_000 + 1_000] = b"\0" * 8

    named = "user ana most 2026-01-01T01:00:00Z (another value)"
    assert spoiled(another).detail == f"27 tiles of 1 entities; differing: {named}"
    assert spoiled(another).is_error
    assert spoiled(gone).value == 3
    assert "views 2026-01-01T00:00:00Z (not in the table)" in spoiled(gone).detail
    assert "total 2026-01-01T01:05:00Z (in the table only)" in spoiled(invented).detail
    assert spoiled(lambda cells: None).passed


def test_a_lower_version_and_tiles_outside_are_not_looked_at():
    def older(cells):
        cells["t", "views"][BASE] = b"old"
        cells["t", "views"][BASE - HOUR + 1_000] = b"before"
        cells["t", "views"][BASE + 4 * HOUR + 1_000] = b"behind"
        cells["t", "unknown"] = {BASE + 1_000: b"another's"}

    assert spoiled(older).passed


def test_what_retention_has_removed_is_not_missed():
    views = [View("e", "ana", BASE, "/", 5)]
    later = ALL._replace(now=BASE + FEATURES.retention)
    assert compared(views, Table(), sampling=later._replace(now=later.now - 1))[0].wrong
    assert compared(views, Table(), sampling=later)[0].tiles == 0


def test_the_sample_is_the_same_whatever_order_rows_come_in():
    views = [View(f"e{n}", f"u{n % 40}", BASE + n, "/", n) for n in range(200)]
    few = ALL._replace(most=5)
    table = Table().write(written_by(shard(), views))
    first, asked = compared(views, table, sampling=few)
    random.Random(1).shuffle(views)
    again, other = compared(views, table, sampling=few)
    assert sorted(asked) == sorted(other)
    assert len(asked) == 5
    assert (first.entities, first.tiles, first.wrong) == (again.entities, again.tiles, 0)
    assert msgspec.to_builtins(first.shown) == []
