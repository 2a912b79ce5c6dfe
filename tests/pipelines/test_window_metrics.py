"""The metrics of windows on files and archives: golden rows, an oracle, and wrong usage."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.window_metrics import main
from schemas.contract import load_contracts
from schemas.metric_set import load_metrics
from tests.metric_builders import BASE, MINUTE, Seen, expected
from tests.pipelines.hot_path_runs import GOLDEN as HOT_PATH
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE, golden_lines, shown
from tests.pipelines.replay_runs import DAY, NOON, golden_messages
from tests.pipelines.window_runs import (
    GOLDEN,
    conserved,
    declared,
    events_file,
    golden_arguments,
    run,
    sinks,
)
from tests.transforms.test_metric_program import SEEN
from tests.warm_archive import WarmArchive

pytestmark = pytest.mark.engine

ROWS = (GOLDEN / "rows.txt").read_text().splitlines()
METRICS = {
    metric.name: metric
    for metric in load_metrics(str(GOLDEN / "metrics"), load_contracts(str(HOT_PATH / "contracts")))
}


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.fixture
def archive(tmp_path):
    kept = WarmArchive(str(tmp_path / "archive"))
    kept.put(golden_messages())
    kept.mark(NOON + 10 * DAY)
    return kept


def replayed(folder, archive, *more, start="2026-01-05T00:00:00Z", end="2026-01-06T00:00:00Z"):
    source = [f"--input_archive={archive.root}", f"--from={start}", f"--to={end}"]
    return [*source, *golden_arguments(folder)[1:], "--max_lateness=1d", *more]


def test_golden_events_give_the_golden_rows_rejected_and_counters(tmp_path):
    done = run(golden_arguments(tmp_path), tmp_path)
    assert done.rows == ROWS
    wanted = sorted((json.loads(line) for line in golden_lines("rejected.ndjson")), key=json.dumps)
    assert shown(done.rejected) == wanted
    assert done.counters == json.loads((GOLDEN / "counters.json").read_text())
    assert conserved(done.counters)


def test_minutes_without_an_order_are_zero_between_the_first_and_the_last(tmp_path):
    orders = run(golden_arguments(tmp_path), tmp_path).current(METRICS["orders"])
    shown_minutes = {key: row["orders"] for key, row in orders.items() if key[0] == "1m"}
    assert len(shown_minutes) == 2 * 6
    assert sorted(shown_minutes.values()) == [0] * 9 + [1] * 3


def test_bundles_that_run_twice_write_every_row_once(tmp_path):
    done = run(golden_arguments(tmp_path), tmp_path, bundle_repeat=1)
    assert done.rows == ROWS


def test_the_same_run_again_writes_the_same_objects(tmp_path):
    run(golden_arguments(tmp_path), tmp_path)
    objects = {path: path.read_bytes() for path in (tmp_path / "rows").rglob("*.ndjson")}
    run([*golden_arguments(tmp_path)[:-1], "--now=2026-01-07T00:00:00Z"], tmp_path)
    assert {path: path.read_bytes() for path in (tmp_path / "rows").rglob("*.ndjson")} == objects


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SEEN, min_size=1, max_size=40, unique_by=lambda one: one.event_id), st.data())
def test_any_order_repetition_files_and_shards_give_the_values_of_the_oracle(
    tmp_path_factory, seen, data
):
    folder = tmp_path_factory.mktemp("run")
    seen = [one._replace(published=None) for one in seen]
    dice = random.Random(data.draw(st.integers(0, 10**6)))
    many = [*seen, *dice.choices(seen, k=10)]
    dice.shuffle(many)
    events_file(folder, many[::2], "a.ndjson")
    events_file(folder, many[1::2], "b.ndjson")
    argv = [
        f"--input_files={folder / '*.ndjson'}",
        f"--metrics={declared(folder)}",
        *sinks(folder),
        f"--shards={dice.choice([1, 3, 16])}",
    ]
    done = run(argv, folder, bundle_repeat=dice.randrange(2))
    assert done.told() == expected(seen)


def test_no_personal_value_reaches_a_row(tmp_path):
    done = run(golden_arguments(tmp_path), tmp_path)
    assert "example.com" not in "".join(done.rows)


def test_an_archive_gives_the_rows_of_the_files_and_those_of_rejects(tmp_path, archive):
    done = run(replayed(tmp_path, archive), tmp_path)
    rejects = [row for row in done.rows if row.startswith("ops.panes_rejects ")]
    assert [row for row in done.rows if row not in rejects] == ROWS
    told = done.current(METRICS["rejects"])
    assert sum(row["event_count"] for row in told.values()) == len(done.rejected)
    assert conserved(done.counters)


def test_a_replay_tells_the_windows_that_lie_wholly_in_its_span(tmp_path, archive):
    span = {"start": "2026-01-05T10:01:00Z", "end": "2026-01-05T11:05:30Z"}
    done = run(replayed(tmp_path, archive, **span), tmp_path)
    windows = {
        (row["window"], row["window_start"][11:16])
        for name in METRICS
        for row in done.of(f"ops.panes_{name}")
    }
    assert windows == {("1m", "11:00"), ("1m", "11:04"), ("5m", "10:55")}
    assert done.counters["windows_withheld"] > 0


def test_a_dry_run_of_a_replay_writes_nothing_and_needs_no_sinks(tmp_path, archive, capsys):
    outputs = ("rows_output", "quarantine_output")
    argv = [one for one in replayed(tmp_path, archive) if not any(name in one for name in outputs)]
    before = sorted(tmp_path.rglob("*"))
    assert main([*argv, "--dry_run"]) == 0
    assert "objects" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_horizon_below_what_a_metric_needs_is_refused(tmp_path, capsys):
    assert main(golden_arguments(tmp_path, "--horizon=1h")) == 2
    printed = capsys.readouterr().err
    assert printed == (
        "--horizon=1h: metric orders could count a copy twice; give at least 2h, its allowed "
        "lateness and its longest window\n"
    )


def test_the_command_writes_its_counters_and_ends_with_zero(tmp_path):
    counters = tmp_path / "counters.json"
    assert main(golden_arguments(tmp_path, f"--counters_output={counters}")) == 0
    assert json.loads(counters.read_text()) == json.loads((GOLDEN / "counters.json").read_text())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"input_files": ""}, "--input_files and --input_archive: name exactly one of the three"),
        ({"rows_output": ""}, "--rows_output and --bigquery_project: name exactly one"),
        ({"bigquery_project": "p-1"}, "--rows_output and --bigquery_project: name exactly one"),
        ({"dataset_prefix": "dev_"}, "--dataset_prefix goes with --bigquery_project"),
        ({"quarantine_output": ""}, "--quarantine_output is missing"),
        ({"metrics": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"contracts": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"shards": "0"}, "--shards=0: write a whole number of at least 1"),
        ({"covers_from": "yesterday"}, "--covers_from=yesterday: write an RFC 3339 time"),
        ({"pubsub_source": "beam"}, "--pubsub_source goes with --input_subscription"),
        ({"warm_from_archive": "a"}, "--warm_from_archive goes with --input_subscription"),
        ({"from": "2026-01-05T00:00:00Z"}, "--from goes with --input_archive"),
        ({"pseudonym_key": ""}, "--pseudonym_key"),
        ({"rows_output": "/dev/null/rows"}, "--rows_output=/dev/null/rows"),
        ({"generations": "x"}, "--generations=x: no such option"),
        # An option of the recomputation, which lives in the same module.
        ({"generation": "5"}, "--generation=5: no such option"),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy_and_status_two(tmp_path, capsys, changed, words):
    given = dict(item.removeprefix("--").split("=", 1) for item in golden_arguments(tmp_path))
    status = main([f"--{name}={value}" for name, value in {**given, **changed}.items()])
    printed = capsys.readouterr()
    assert status == 2
    assert words in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_live_job_must_say_where_late_events_go(tmp_path, capsys):
    argv = ["--input_subscription=projects/p/subscriptions/s", *golden_arguments(tmp_path)[1:]]
    assert main(argv) == 2
    assert "--late_output is missing: a live job has late events" in capsys.readouterr().err


def test_the_shipped_metrics_run_on_the_shipped_contracts(tmp_path):
    seen = [Seen(f"e{n}", "click", BASE + n * MINUTE // 4) for n in range(20)]
    argv = [f"--input_files={events_file(tmp_path, seen)}", *sinks(tmp_path)]
    done = run(argv, tmp_path)
    told = {row["window"]: 0 for row in done.of("ops.panes_activity")}
    for row in done.of("ops.panes_activity"):
        told[row["window"]] += row["events"]
    assert told == {"1m": 20, "5m": 20}
