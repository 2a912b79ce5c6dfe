"""What is settled at the launch of a live job: its warm start, or the warning that it has none."""

import logging
import shlex

import pytest

from pipelines import warm_start
from pipelines.hot_path import main
from pipelines.hot_path_launch import settled
from pipelines.hot_path_options import HotPathConfig, HotPathOptions
from pipelines.options import UsageError, parse_options
from schemas.coverage import Coverage
from schemas.times import format_rfc3339, parse_rfc3339
from tests.warm_archive import WarmArchive, message
from transforms.choose_sources import NoSourceError

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = parse_rfc3339("2026-01-06T12:30:00Z")
SUBSCRIPTION = "projects/p/subscriptions/s"


def config(*more: str) -> HotPathConfig:
    argv = [
        f"--input_subscription={SUBSCRIPTION}",
        "--bigtable_table=projects/p/instances/i/tables/t",
        "--quarantine_output=q",
        "--late_output=l",
        *more,
    ]
    if not any(each.startswith("--now=") for each in more):
        argv.append("--now=2026-01-06T12:30:00Z")
    return HotPathConfig.of(parse_options(argv, HotPathOptions, ""))


def warm(root, *more: str) -> HotPathConfig:
    return config("--runner=PrismRunner", f"--warm_from_archive={root}", *more)


@pytest.fixture
def archive(tmp_path):
    """Give an archive that begins long before the job."""
    archive = WarmArchive(str(tmp_path / "archive"))
    archive.put([message(NOW - 90 * DAY)])
    return archive


@pytest.fixture
def waiting(monkeypatch):
    """Give the list of what was asked of the subscription; its oldest message is an hour old."""
    asked = []

    def oldest(*given):
        asked.append(given)
        return NOW - HOUR

    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setattr(warm_start, "oldest_waiting", oldest)
    return asked


def test_a_given_span_says_how_old_the_oldest_message_is_and_nothing_is_looked_at(archive, waiting):
    done = settled(warm(archive.root, "--warm_span=2d", "--horizon=6h", "--max_future=3h"))
    covers_from = NOW - 2 * DAY - 6 * HOUR - HOUR
    assert done.coverage == Coverage(covers_from)
    assert (done.warm.source, done.warm.start) == ("events", covers_from - 3 * HOUR)
    assert waiting == []


def test_else_the_subscription_is_looked_at_with_a_margin(archive, waiting):
    done = settled(warm(archive.root, "--timestamp_attribute=at"))
    assert done.coverage == Coverage(NOW - HOUR - 15 * MINUTE - DAY - HOUR)
    assert waiting == [(SUBSCRIPTION, "at")]


@pytest.mark.parametrize("found", [None, NOW + HOUR])
def test_where_nothing_old_waits_the_margin_before_the_launch_counts(
    archive, waiting, monkeypatch, found
):
    monkeypatch.setattr(warm_start, "oldest_waiting", lambda *_: found)
    done = settled(warm(archive.root))
    assert done.coverage == Coverage(NOW - 15 * MINUTE - DAY - HOUR)


def test_the_longest_tile_of_the_features_counts(archive, tmp_path):
    features = tmp_path / "features.yaml"
    features.write_text(
        "entity: user\nkey: user_id\ntile: 1h\nfeatures:\n"
        "  - {name: views, aggregate: count}\n  - {name: days, aggregate: count, tile: 1d}\n"
    )
    done = settled(warm(archive.root, "--warm_span=0s", f"--features={features}"))
    assert done.coverage == Coverage(NOW - DAY - DAY)


def test_the_events_folder_of_an_archive_is_understood(archive):
    done = settled(warm(f"{archive.root}/raw/events/", "--warm_span=1h"))
    assert done.warm.archive == archive.root


def test_an_archive_that_begins_too_late_is_warned_of(archive, tmp_path, caplog):
    young = WarmArchive(str(tmp_path / "young"))
    young.put([message(NOW - HOUR)])
    with caplog.at_level(logging.WARNING):
        settled(warm(archive.root, "--warm_span=1h"))
        assert caplog.messages == []
        settled(warm(young.root, "--warm_span=1h"))
    (warning,) = caplog.messages
    assert "begins at 2026-01-06T11:30:00Z" in warning
    assert "repair the tiles that begin before 2026-01-07T11:30:00Z" in warning


def test_of_several_sources_one_must_be_named_by_its_own_option(archive, tmp_path):
    (tmp_path / "archive/raw/events/source=other").mkdir()
    with pytest.raises(NoSourceError, match="name one by --warm_source: events, other"):
        settled(warm(archive.root, "--warm_span=1h"))
    done = settled(warm(archive.root, "--warm_span=1h", "--warm_source=events"))
    assert done.warm.source == "events"
    with pytest.raises(NoSourceError, match="--warm_source=gone: not in"):
        settled(warm(archive.root, "--warm_span=1h", "--warm_source=gone"))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--warm_from_archive=a"], "BundleBasedDirectRunner .* name another engine by --runner"),
        (["--warm_from_archive=a", "--runner=DirectRunner"], "DirectRunner has no steps"),
        (
            ["--warm_from_archive=a", "--runner=PrismRunner", "--covers_from=beginning"],
            "--covers_from: a warm start covers what it reads",
        ),
        (["--warm_from_archive=s3://a", "--runner=PrismRunner"], "--warm_from_archive: path"),
        (["--warm_span=1h"], "--warm_span goes with --warm_from_archive"),
        (["--warm_source=a"], "--warm_source goes with --warm_from_archive"),
        (
            ["--warm_from_archive=a", "--runner=PrismRunner", "--warm_span=soon"],
            "--warm_span: 'soon' is no length of time",
        ),
        (
            ["--warm_from_archive=a", "--runner=PrismRunner", f"--warm_source={'x' * 300}"],
            "--warm_source: takes",
        ),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy(argv, words):
    with pytest.raises(UsageError, match=words) as error:
        config(*argv)
    assert "\n" not in str(error.value)


def test_a_warm_start_goes_with_a_subscription(capsys):
    argv = ["--input_files=a", "--cells_output=c", "--quarantine_output=q"]
    assert main([*argv, "--warm_from_archive=a"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("--warm_from_archive goes with --input_subscription")


def test_an_archive_that_is_none_is_one_line(tmp_path):
    with pytest.raises(NoSourceError, match="holds no events"):
        settled(warm(tmp_path, "--warm_span=1h"))


def test_without_a_warm_start_one_warning_says_what_is_withheld_and_how_it_is_repaired(caplog):
    with caplog.at_level(logging.WARNING):
        assert settled(config("--horizon=3h")).coverage == Coverage(NOW)
    (warning,) = caplog.messages
    assert "tiles that begin before 2026-01-06T12:30:00Z are withheld" in warning
    assert "--write_mode=repair --from=2026-01-06T09:00:00Z --to=2026-01-06T13:00:00Z" in warning
    assert "--bigtable_table=projects/p/instances/i/tables/t" in warning
    assert "\n" not in warning


def test_the_command_that_repairs_is_of_the_same_declarations_and_bounds(caplog, tmp_path):
    """Word by word: by other features or contracts it would delete what is right."""
    features = tmp_path / "my features.yaml"
    features.write_text(
        "entity: user\nkey: user_id\nfeatures:\n  - {name: views, aggregate: count}\n"
    )
    own = [f"--features={features}", "--pseudonym_key=env:KEY", "--horizon=90m"]
    own += ["--max_future=2h", "--max_event_bytes=5000"]
    with caplog.at_level(logging.WARNING):
        settled(config(*own))
    (warning,) = caplog.messages
    words = shlex.split(warning.partition("python -m pipelines.hot_path ")[2])
    argv = words[: words.index("--quarantine_output=FOLDER") + 1]
    assert set(own) <= set(argv)
    asked = HotPathConfig.of(parse_options(argv, HotPathOptions, ""))
    assert asked.repair
    assert asked.features == str(features)
    assert asked.bigtable_table == "projects/p/instances/i/tables/t"


def test_the_repair_holds_whole_tiles_of_every_length(caplog, tmp_path):
    """Tiles of 45 minutes begin and end within hours: 8:15 to 9:00, 12:00 to 12:45."""
    features = tmp_path / "features.yaml"
    features.write_text(
        "entity: user\nkey: user_id\ntile: 1h\nfeatures:\n"
        "  - {name: views, aggregate: count}\n  - {name: some, aggregate: count, tile: 45m}\n"
    )
    with caplog.at_level(logging.WARNING):
        settled(config("--horizon=3h", f"--features={features}", "--now=2026-01-06T13:15:00Z"))
    (warning,) = caplog.messages
    assert "--from=2026-01-06T09:45:00Z --to=2026-01-06T14:00:00Z" in warning


def test_a_job_that_covers_more_is_not_warned(caplog, archive):
    yesterday = format_rfc3339(NOW - DAY)
    with caplog.at_level(logging.WARNING):
        settled(config("--covers_from=beginning"))
        settled(config(f"--covers_from={yesterday}"))
        settled(warm(archive.root, "--warm_span=1h"))
    assert caplog.messages == []
