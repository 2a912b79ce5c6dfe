"""What is settled before the metrics of windows are built, and what is said of a recomputation."""

import logging

import pytest

from pipelines.options import UsageError, parse_options
from pipelines.recompute_windows import JOB
from pipelines.window_arguments import RecomputeOptions, WindowOptions
from pipelines.window_launch import settled
from pipelines.window_options import WindowConfig
from schemas.coverage import Coverage
from schemas.times import parse_rfc3339
from tests.metric_builders import MINUTE
from tests.warm_archive import WarmArchive, message

NOW = parse_rfc3339("2026-01-06T12:32:10Z")
HOUR = 60 * MINUTE


@pytest.fixture(autouse=True)
def _emulator(monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")


def config(*more):
    argv = [
        "--input_subscription=projects/p/subscriptions/s",
        "--rows_output=r",
        "--quarantine_output=q",
        "--late_output=l",
        "--now=2026-01-06T12:32:10Z",
        *more,
    ]
    return WindowConfig.of(parse_options(argv, WindowOptions, ""))


def test_the_horizon_is_by_default_the_least_that_the_metrics_need():
    assert config().horizon == HOUR + 5 * MINUTE
    assert config("--horizon=2h").horizon == 2 * HOUR


def recomputation(start, end):
    argv = [
        "--input_archive=a",
        f"--from=2026-01-06T{start}Z",
        f"--to=2026-01-06T{end}Z",
        "--rows_output=r",
        "--quarantine_output=q",
    ]
    return WindowConfig.recomputing(parse_options(argv, RecomputeOptions, ""))


def test_a_recomputation_of_no_whole_window_is_refused_and_of_one_is_not():
    with pytest.raises(UsageError) as refused:
        recomputation("12:00:01", "12:01:59")
    assert str(refused.value) == (
        "--from and --to: no window of any metric lies wholly between them, and the shortest is 1m;"
        " give a longer span"
    )
    assert recomputation("12:00:00", "12:01:00").coverage.end % MINUTE == 0


def test_a_cold_start_says_once_which_windows_are_withheld_and_how_they_are_computed(caplog):
    with caplog.at_level(logging.WARNING):
        assert settled(config()).coverage == Coverage(NOW)
    (warning,) = caplog.messages
    assert warning.startswith("windows that begin before 2026-01-06T12:32:10Z are withheld")
    assert "--from=2026-01-06T11:30:00Z --to=2026-01-06T12:35:00Z" in warning


def test_a_job_that_covers_more_is_not_warned(caplog):
    with caplog.at_level(logging.WARNING):
        assert settled(config("--covers_from=beginning")).coverage == Coverage()
    assert caplog.messages == []


def test_a_warm_start_covers_the_windows_that_its_messages_may_enter(tmp_path, monkeypatch):
    archive = WarmArchive(str(tmp_path / "archive"))
    archive.put([message(NOW - 90 * 24 * HOUR)])
    found = settled(
        config(
            "--runner=PrismRunner",
            f"--warm_from_archive={archive.root}",
            "--warm_span=1h",
        )
    )
    covers_from = NOW - HOUR - (HOUR + 5 * MINUTE) - 5 * MINUTE
    assert found.coverage == Coverage(covers_from)
    assert found.warm.start == found.coverage.start - 24 * HOUR


@pytest.mark.parametrize(
    ("counters", "words"),
    [
        ({}, None),
        ({"rows_refused": 2, "windows_kept": 5}, "2 rows of panes were refused, so 5 windows"),
        ({"rows_refused": 1, "windows_superseded": 5}, "1 rows of ops.recomputed were refused"),
    ],
)
def test_a_recomputation_that_could_not_write_all_says_so(counters, words):
    problem = JOB.problem(counters)
    assert problem is None if words is None else problem.startswith(words)
