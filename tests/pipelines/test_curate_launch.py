"""What is settled before the curated events are built: their warm start."""

import logging

import pytest

from pipelines import warm_start
from pipelines.curate_events import JOB, main
from pipelines.curate_options import CurateConfig, CurateOptions
from pipelines.options import UsageError, parse_options
from schemas.times import parse_rfc3339
from tests.warm_archive import WarmArchive, message

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = parse_rfc3339("2026-01-06T12:30:00Z")
SUBSCRIPTION = "projects/p/subscriptions/s"


def config(*more):
    argv = [
        f"--input_subscription={SUBSCRIPTION}",
        "--rows_output=r",
        "--quarantine_output=q",
        "--now=2026-01-06T12:30:00Z",
        *more,
    ]
    return CurateConfig.of(parse_options(argv, CurateOptions, ""))


def warm(root, *more):
    return JOB.prepare(config("--runner=PrismRunner", f"--warm_from_archive={root}", *more))


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Give the list of what was asked of the subscription; its oldest message is an hour old."""
    asked = []

    def oldest(*given):
        asked.append(given)
        return NOW - HOUR

    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setattr(warm_start, "oldest_waiting", oldest)
    return asked


@pytest.fixture
def archive(tmp_path):
    """Give an archive that begins long before the job."""
    archive = WarmArchive(str(tmp_path / "archive"))
    archive.put([message(NOW - 90 * DAY)])
    return archive


def test_the_archive_is_read_from_where_dedupe_would_know_copies_of_the_oldest_message(
    archive, asked
):
    bounds = ("--horizon=6h", "--max_future=3h")
    given = warm(f"{archive.root}/raw/events", "--warm_span=2d", *bounds)
    assert (given.warm.archive, given.warm.source) == (archive.root, "events")
    assert given.warm.start == NOW - 2 * DAY - 6 * HOUR - 3 * HOUR
    assert asked == []
    looked = warm(archive.root, "--timestamp_attribute=at", *bounds)
    assert looked.warm.start == NOW - HOUR - 15 * MINUTE - 6 * HOUR - 3 * HOUR
    assert asked == [(SUBSCRIPTION, "at")]


def test_what_is_said_of_a_warm_start_is_not_of_tiles(archive, tmp_path, caplog):
    young = WarmArchive(str(tmp_path / "young"))
    young.put([message(NOW - HOUR)])
    with caplog.at_level(logging.INFO):
        warm(archive.root, "--warm_span=1h")
        [told] = caplog.messages
        warm(young.root, "--warm_span=1h")
    assert told.endswith("is read from 2026-01-04T11:30:00Z on")
    *_, warning = caplog.messages
    assert "copies of what was published before 2026-01-06T11:30:00Z are not known" in warning
    assert "tile" not in " ".join(caplog.messages)


def test_a_cold_start_covers_all_that_comes_so_nothing_is_warned_of(caplog):
    with caplog.at_level(logging.INFO):
        assert JOB.prepare(config()) == config()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--warm_from_archive=a"], "--warm_from_archive: BundleBasedDirectRunner .* name another"),
        (["--warm_from_archive=s3://a", "--runner=PrismRunner"], "--warm_from_archive: path"),
        (["--warm_span=1h"], "--warm_span goes with --warm_from_archive"),
        (["--warm_source=a"], "--warm_source goes with --warm_from_archive"),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy(argv, words):
    with pytest.raises(UsageError, match=words):
        config(*argv)


def test_a_warm_start_goes_with_a_subscription(capsys):
    argv = ["--input_files=a", "--rows_output=r", "--quarantine_output=q"]
    assert main([*argv, "--warm_from_archive=a"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("--warm_from_archive goes with --input_subscription")
