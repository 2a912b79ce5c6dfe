"""Metrics of windows from Pub/Sub on Prism, and into BigQuery tables that a recomputation mends.

What these cannot show: how Dataflow's own source moves the watermark of an idle subscription.
"""

import base64
import json
import threading
import time
from collections import Counter

import msgspec
import pytest

from console.bigquery_tables import Asked, create_tables
from local.lossy_proxy import LossyProxy
from local.publish import Outgoing, publish
from local.resources import unique_name
from local.services import exported
from local.tables import read_cells
from pipelines import recompute_windows, window_metrics
from schemas.bigtable_table import TableName
from schemas.contract import load_contracts
from schemas.current_panes import current_panes
from schemas.metric import window_name
from schemas.metric_set import parse_metric
from schemas.pane_cells import PaneCells, windows_of
from schemas.table_names import Datasets
from schemas.times import format_rfc3339, parse_rfc3339
from tests.emulators.test_tables import query
from tests.metric_builders import BASE, MINUTE, PLAIN, WIDE, Seen, expected
from tests.pipelines.curate_runs import lines_of, rows_of
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.pipelines.live_windows import message
from tests.pipelines.window_runs import conserved, declared, events_file, told_by
from tests.warm_archive import WarmArchive

pytestmark = [pytest.mark.emulator, pytest.mark.prism]

SECOND = 1_000_000
PATIENCE = 60
CLICKS = """
name: clicks
doc: Clicks by user.
where: {event_type: click}
windows: [1s, 1h]
dimensions: [user_id]
measures:
  - {name: clicks, measure: count}
allowed_lateness: 1m
triggers: {speculative_every: 1s, on_time: true, on_late: each}
"""


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def panes_in(folder):
    return rows_of(lines_of(folder / "rows"), "ops.panes_clicks")


def served(table, metric):
    """What the rows of Bigtable say of each window and user."""
    told = {}
    for user in ("u0", "u1", "u2"):
        key = msgspec.msgpack.encode([user])
        cells = read_cells(TableName.parse(table), PaneCells(metric).row_key(key))
        for part in windows_of(metric, key, cells):
            told[window_name(part.length), part.start, user] = part.entries[0]
    return told


def on_time(folder):
    """How many events the last on-time panes of seconds tell."""
    last = {}
    for row in panes_in(folder):
        if row["window"] == "1s" and row["timing"] == "on_time":
            last[row["window_start"], row["user_id"]] = row["clicks"]
    return sum(last.values())


def test_windows_of_a_silent_topic_close_by_the_clock_and_redelivery_counts_once(
    pubsub_emulator, bigtable_emulator, prism_binary, tmp_path
):
    table = bigtable_emulator.table()
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    (tmp_path / "clicks.yaml").write_text(f"{CLICKS}bigtable: true\n")
    counters = tmp_path / "counters.json"
    argv = [
        f"--input_subscription={subscription}",
        f"--metrics={tmp_path / 'clicks.yaml'}",
        f"--rows_output={tmp_path / 'rows'}",
        f"--bigtable_table={table}",
        f"--quarantine_output={tmp_path / 'quarantine'}",
        f"--late_output={tmp_path / 'late'}",
        f"--counters_output={counters}",
        f"--pseudonym_key=env:{KEY_VARIABLE}",
        "--covers_from=beginning",
        "--runner=PrismRunner",
        f"--prism_location={prism_binary}",
        "--environment_type=LOOPBACK",
        "--stop_after_idle=18",
        "--shards=2",
    ]
    now = time.time_ns() // 1_000
    seen = [Seen(f"e{n}", "click", now + n * 20_000, f"u{n % 3}") for n in range(60)]
    publish(topic, [Outgoing(json.dumps(one.line()).encode()) for one in seen])
    told_at = []

    def watch():
        until = time.monotonic() + PATIENCE
        while on_time(tmp_path) < len(seen) and time.monotonic() < until:
            time.sleep(0.3)
        told_at.append(time.monotonic())

    with (
        LossyProxy(pubsub_emulator.address, lose_every=3, at_most=5) as proxy,
        exported({"PUBSUB_EMULATOR_HOST": proxy.address}),
    ):
        watching = threading.Thread(target=watch)
        watching.start()
        assert window_metrics.main(argv) == 0
        ended_at = time.monotonic()
        watching.join()
    # The end of the source closes what is open, such as hours: seconds were closed long before.
    assert told_at[0] < ended_at - 8
    metric = parse_metric(CLICKS, "clicks.yaml", load_contracts(None))
    current = current_panes(metric, panes_in(tmp_path))
    assert served(table, metric) == {key: row["clicks"] for key, row in current.items()}
    found = Counter()
    for row in current.values():
        found[row["window"]] += row["clicks"]
    assert found == {"1s": 60, "1h": 60}
    hours = {row["timing"] for row in panes_in(tmp_path) if row["window"] == "1h"}
    assert hours == {"early", "on_time"}
    assert conserved(json.loads(counters.read_text()))


def test_a_warm_start_tells_whole_windows_of_what_the_job_before_had_acknowledged(
    pubsub_emulator, prism_binary, tmp_path
):
    now = time.time_ns() // 1_000
    seen = [
        Seen(f"e{n}", "click", now - 20 * MINUTE + n * 10 * SECOND, f"u{n % 3}", published=at)
        for n in range(120)
        for at in [now - 20 * MINUTE + n * 10 * SECOND + SECOND]
    ]
    before, waiting = seen[:105], seen[95:]
    archive = WarmArchive(str(tmp_path / "archive"))
    archive.put(map(message, before))
    archive.mark(now + 60 * MINUTE)
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    publish(topic, [Outgoing(json.dumps(one.line()).encode()) for one in waiting])
    (tmp_path / "clicks.yaml").write_text(
        CLICKS.replace("[1s, 1h]", "[1m, 5m]").replace("lateness: 1m", "lateness: 10m")
    )
    argv = [
        f"--input_subscription={subscription}",
        f"--metrics={tmp_path / 'clicks.yaml'}",
        f"--rows_output={tmp_path / 'rows'}",
        f"--quarantine_output={tmp_path / 'quarantine'}",
        f"--late_output={tmp_path / 'late'}",
        f"--pseudonym_key=env:{KEY_VARIABLE}",
        f"--warm_from_archive={archive.root}",
        "--warm_span=30m",
        "--runner=PrismRunner",
        f"--prism_location={prism_binary}",
        "--environment_type=LOOPBACK",
        "--stop_after_idle=13",
        "--shards=2",
    ]
    assert window_metrics.main(argv) == 0
    metric = parse_metric(CLICKS, "clicks.yaml", load_contracts(None))
    found = Counter()
    for row in current_panes(metric, panes_in(tmp_path)).values():
        found[row["window"], parse_rfc3339(row["window_start"])] += row["clicks"]
    wanted = Counter()
    for one in seen:
        for name, length in (("1m", MINUTE), ("5m", 5 * MINUTE)):
            wanted[name, one.time // length * length] += 1
    assert found == wanted


def test_late_events_are_brought_in_by_a_recomputation_and_the_view_is_that_of_batch(
    bigquery_emulator, gcs_emulator, tmp_path
):
    prefix = unique_name("w").replace("-", "_") + "_"
    datasets = Datasets(bigquery_emulator.project, prefix)
    metrics = declared(tmp_path)
    asked = Asked(bigquery_emulator.project, prefix, contracts=None, metrics=str(metrics))
    list(create_tables(asked))
    chance = [("ana", "page_view"), ("bo", "click"), ("cy", "quiz_submitted")]
    seen = [
        Seen(f"e{n}", kind, BASE + n * 11 * SECOND, user, page="/a", duration=n, published=BASE + n)
        for n, (user, kind) in enumerate(chance * 20)
    ]
    common = [
        f"--metrics={metrics}",
        f"--quarantine_output={tmp_path / 'quarantine'}",
        f"--pseudonym_key=env:{KEY_VARIABLE}",
        f"--bigquery_project={datasets.project}",
        f"--dataset_prefix={prefix}",
    ]
    partly = events_file(tmp_path, seen[::2])
    argv = [f"--input_files={partly}", *common, "--write_method=inserts"]
    assert window_metrics.main(argv) == 0
    archive = WarmArchive(str(tmp_path / "archive"))
    archive.put(map(message, seen))
    archive.mark(BASE + 30 * 1_440 * MINUTE)
    argv = [
        f"--input_archive={tmp_path / 'archive'}",
        f"--from={format_rfc3339(BASE)}",
        f"--to={format_rfc3339(BASE + 60 * MINUTE)}",
        f"--staging=gs://{gcs_emulator.bucket()}/staging",
        *common,
    ]
    for _ in range(2):
        assert recompute_windows.main(argv) == 0
        told = {}
        for metric in (WIDE, PLAIN):
            found = query(asked, f"SELECT * FROM {{table:gold.{metric.name}}}")
            told |= told_by(map(as_rows, found), metric)
        assert told == expected(seen)


def as_rows(row):
    """Bring what a query gives into the form of the rows in files."""
    shown = {name: value for name, value in row.items() if value is not None}
    for name in ("window_start", "window_end"):
        shown[name] = shown[name].isoformat()
    for name, value in shown.items():
        if isinstance(value, bytes):
            shown[name] = base64.b64encode(value).decode()
    assert parse_rfc3339(shown["window_end"]) > parse_rfc3339(shown["window_start"])
    return shown
