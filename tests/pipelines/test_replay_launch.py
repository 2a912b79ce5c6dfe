"""A repair is launched only where its span is closed."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.hot_path_launch import settled
from pipelines.hot_path_options import HotPathConfig, HotPathOptions
from pipelines.options import UsageError, parse_options
from pipelines.replay import planned, refusal, repair_problem
from pipelines.replay_options import ReplayConfig
from schemas.events import MAX_MICROS, MIN_MICROS, RawEvent
from schemas.replay_plan import ReplayPlan, ReplaySpan
from schemas.times import parse_rfc3339
from tests.archive_builders import complete, put

HOUR = 3_600_000_000
END = parse_rfc3339("2026-01-06T00:00:00Z")


def config(*more):
    argv = [
        "--input_archive=gs://b/raw/events",
        "--from=2026-01-05T00:00:00Z",
        "--to=2026-01-06T00:00:00Z",
        "--cells_output=c",
        "--quarantine_output=q",
        *more,
    ]
    return HotPathConfig.of(parse_options(argv, HotPathOptions, ""))


def repairing(horizon=HOUR, max_lateness=5 * HOUR):
    return dataclasses.replace(
        config("--write_mode=repair").replay,
        horizon=horizon,
        span=ReplaySpan.of(END - 24 * HOUR, END, HOUR, max_lateness),
    )


def test_a_span_is_closed_once_the_marker_has_passed_all_that_may_have_been_published_of_it():
    replay = repairing()
    assert repair_problem(replay, END + 5 * HOUR, END + 9 * HOUR) is None
    problem = repair_problem(replay, END + 5 * HOUR - 1, END + 9 * HOUR)
    assert "the archive is complete to 2026-01-06T04:59:59.999999Z, and must be to" in problem
    assert "2026-01-06T05:00:00Z (--to and --max_lateness)" in problem


def test_a_span_is_closed_once_the_live_job_does_not_write_it_any_more():
    replay = repairing(horizon=3 * HOUR, max_lateness=3 * HOUR)
    assert repair_problem(replay, END + 6 * HOUR, END + 6 * HOUR) is None
    by_marker = repair_problem(replay, END + 5 * HOUR, END + 9 * HOUR)
    assert "may write what lies before 2026-01-06T00:00:00Z until 2026-01-06T06:00:00Z" in by_marker
    assert "(two horizons of 3h), and the archive's marker is at 2026-01-06T05:00:00Z" in by_marker
    by_clock = repair_problem(replay, END + 9 * HOUR, END + 6 * HOUR - 1)
    assert "and the clock is at 2026-01-06T05:59:59.999999Z; wait, or end" in by_clock


def test_without_a_marker_nothing_is_closed():
    assert "no completeness marker" in repair_problem(repairing(), None, MAX_MICROS)


@given(st.integers(1, 10), st.integers(1, 30), st.integers(-5, 40), st.integers(-5, 40))
def test_a_repair_is_possible_exactly_where_all_three_bounds_are_passed(
    horizon, lateness, marker, clock
):
    problem = repair_problem(repairing(horizon, lateness), END + marker, END + clock)
    possible = marker >= lateness and min(marker, clock) >= 2 * horizon
    assert (problem is None) == possible


def test_the_marker_that_counts_is_that_of_the_source(tmp_path):
    put(tmp_path, [RawEvent(b"{}", {}, "m", END - HOUR)], "orders")
    put(tmp_path, [RawEvent(b"{}", {}, "m", END - HOUR)], "clicks")
    complete(tmp_path, END + 9 * HOUR, "clicks")
    replay = dataclasses.replace(repairing(), archive=str(tmp_path))
    assert planned(dataclasses.replace(replay, source="clicks"))
    with pytest.raises(UsageError, match="--write_mode=repair: the archive has no completeness"):
        planned(dataclasses.replace(replay, source="orders"))


def test_an_upsert_over_a_span_that_is_not_complete_is_launched_with_a_warning(tmp_path, caplog):
    put(tmp_path, [RawEvent(b"{}", {}, "m", END - HOUR)])
    replay = dataclasses.replace(repairing(), archive=str(tmp_path), repair=False)
    assert planned(replay) == dataclasses.replace(replay, source="events")
    complete(tmp_path, END + 5 * HOUR - 1)
    assert planned(replay)
    complete(tmp_path, END + 5 * HOUR)
    assert planned(replay)
    first, second = (record.getMessage() for record in caplog.records)
    assert "has no completeness marker, and the replay reads what was published to" in first
    assert "the archive is complete to 2026-01-06T04:59:59.999999Z only" in second


@pytest.mark.parametrize(("limit", "refused"), [(99, True), (100, False), (None, False)])
def test_a_plan_that_is_larger_than_the_limit_is_refused_with_the_figure(limit, refused):
    replay = dataclasses.replace(repairing(), repair=False, max_input_bytes=limit)
    problem = refusal(replay, ReplayPlan("a", "s", replay.span, 7, 1, 100), None, 0)
    assert (problem is not None) == refused
    if problem:
        assert problem.startswith("--max_input_bytes=99: the replay reads 100 bytes in 7 objects")


def test_what_is_not_given_has_its_default():
    replay = config("--horizon=6h", "--max_future=2h", "--now=2026-03-01T12:00:00.5Z").replay
    assert replay == ReplayConfig(
        archive="gs://b",
        source="",
        span=ReplaySpan(END - 24 * HOUR, END, END - 26 * HOUR, END + 12 * HOUR),
        horizon=6 * HOUR,
        on_bad_object="fail",
        dry_run=False,
        events_per_worker_second=10_000,
        max_input_bytes=None,
        max_events_per_second=None,
        run_id="20260301T120000Z",
        repair=False,
        started_at=replay.started_at,
    )


def test_a_replay_covers_its_span_and_other_sources_what_they_say():
    assert config().coverage == (END - 24 * HOUR, END)
    live = [
        "--input_subscription=projects/p/subscriptions/s",
        "--cells_output=c",
        "--quarantine_output=q",
        "--late_output=l",
        "--now=2026-01-06T00:00:00Z",
    ]

    def coverage(*more):
        return HotPathConfig.of(parse_options([*live, *more], HotPathOptions, "")).coverage

    assert coverage() == coverage("--covers_from=launch") == (END, MAX_MICROS)
    assert coverage("--covers_from=beginning") == (MIN_MICROS, MAX_MICROS)
    assert coverage("--covers_from=1970-01-01T00:00:00Z") == (0, MAX_MICROS)


def test_the_first_moment_of_1970_is_a_time_and_not_unset():
    assert config("--now=1970-01-01T00:00:00Z").now == 0


def test_a_repair_of_what_the_archive_may_not_have_from_the_beginning_warns(tmp_path, caplog):
    """Nothing says since when there is an archive: what live had counted before is deleted."""
    start = END - 24 * HOUR
    put(tmp_path, [RawEvent(b"{}", {}, "m", start + 1)])
    complete(tmp_path, END + 9 * HOUR)
    replay = dataclasses.replace(repairing(), archive=str(tmp_path))
    assert planned(replay)
    [line] = [record.getMessage() for record in caplog.records]
    assert "the archive begins with what was published at 2026-01-05T00:00:00.000001Z" in line
    assert "the repair at 2026-01-05T00:00:00Z (--from)" in line
    assert planned(dataclasses.replace(replay, repair=False))
    put(tmp_path, [RawEvent(b"{}", {}, "n", start)])
    assert planned(replay)
    assert len(caplog.records) == 1


def test_a_dry_run_of_a_repair_says_where_the_archive_begins(tmp_path, capsys):
    put(tmp_path, [RawEvent(b"{}", {}, "m", END - HOUR)])
    complete(tmp_path, END + 9 * HOUR)
    replay = dataclasses.replace(repairing(), archive=str(tmp_path), dry_run=True)
    assert planned(replay) is None
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("begins:")]
    assert "published at 2026-01-05T23:00:00Z" in line
    assert planned(dataclasses.replace(replay, repair=False)) is None
    assert "begins:" not in capsys.readouterr().out


def test_a_repair_of_a_table_is_refused_where_its_record_could_not_be_left(tmp_path, monkeypatch):
    """All rows would be written before it is known."""
    put(tmp_path, [RawEvent(b"{}", {}, "m", END - HOUR)])
    complete(tmp_path, END + 9 * HOUR)
    replay = dataclasses.replace(repairing(), archive=str(tmp_path))
    table = "projects/p/instances/i/tables/t"
    given = dataclasses.replace(config(), input_files=None, replay=replay, cells_output=None)
    monkeypatch.setattr(
        "pipelines.hot_path_launch.write_problem", lambda path, is_file: "cannot be written: no"
    )
    assert settled(given)
    with pytest.raises(UsageError, match=r"a repair leaves its record there, but it cannot be"):
        settled(dataclasses.replace(given, bigtable_table=table))
