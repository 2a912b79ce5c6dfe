"""A second live job on the table of a first one: what it may write, and what it must leave alone.

What this cannot show: two live jobs at the same time, which the suite rules out.
"""

import json
import time

import pytest

from local.publish import Outgoing, publish
from local.tables import read_table
from pipelines.hot_path import main
from schemas.bigtable_table import TableName
from schemas.cells import row_key
from tests.feature_builders import View, view_bytes
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE, conserved

MINUTE = 60_000_000
HOUR = 60 * MINUTE
BASE = time.time_ns() // 1_000 // HOUR * HOUR - 3 * HOUR
LAUNCH = BASE + 30 * MINUTE
LENGTHS = {"views": HOUR, "total": 5 * MINUTE}
FEATURES = """
entity: user
key: user_id
tile: 1h
state:
  - {name: last_page, field: event_details.page}
features:
  - {name: views, aggregate: count}
  - {name: total, aggregate: sum, field: event_details.duration_ms, tile: 5m}
"""


def views(*told):
    """(user, minute, page) each; the page is the event's id and the minute its duration."""
    return [
        View(page, user, BASE + minute * MINUTE, page, minute + 1) for user, minute, page in told
    ]


# Both jobs count in the hour of the launch and in the five minutes before it: alone, the second
# would win with more events of "ana", lose with fewer of "bo", and be the only one to tell of "cy".
FIRST = views(
    ("ana", 1, "a1"), ("ana", 26, "a2"), ("bo", 3, "b1"), ("bo", 27, "b2"), ("bo", 29, "b3")
)
SECOND = views(
    ("ana", 27, "a3"),
    ("ana", 28, "a4"),
    ("ana", 31, "a5"),
    ("ana", 59, "a6"),
    ("bo", 34, "b4"),
    ("cy", 2, "c1"),
    ("cy", 30, "c2"),
    *(("ana", 60 + n, f"a{60 + n}") for n in range(7)),
    ("bo", 119, "b5"),
    ("cy", 120, "c3"),
)


def tiles_of(events, covers_from):
    """{(row key, feature, tile start): (number of events, value)} of the tiles that are covered."""
    found: dict[tuple[str, str, int], tuple[int, int]] = {}
    for view in events:
        for name, length in LENGTHS.items():
            start = view.time // length * length
            place = row_key("user", view.user).decode(), name, start
            n, value = found.get(place, (0, 0))
            found[place] = n + 1, value + (1 if name == "views" else view.duration)
    return {place: tile for place, tile in found.items() if place[2] >= covers_from}


def read(table):
    """Tiles as `tiles_of` gives them, each with one version only; and last pages by row key."""
    tiles, pages = {}, {}
    for key, family, qualifier, timestamp, value in read_table(TableName.parse(table)):
        if family == "s":
            pages[key] = max(pages.get(key, (0, "")), (timestamp, value.decode()))
            continue
        start = timestamp - timestamp % LENGTHS[qualifier]
        assert (key, qualifier, start) not in tiles
        n = (timestamp - start) // 1_000
        tiles[key, qualifier, start] = n, int.from_bytes(value, "big", signed=True)
    return tiles, pages


@pytest.fixture
def job(bigtable_emulator, pubsub_emulator, prism_binary, tmp_path, monkeypatch):
    """Give a function that publishes events and runs a job until it has read them."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    table = bigtable_emulator.table()
    (tmp_path / "features.yaml").write_text(FEATURES)

    def run(name, events, *more):
        publish(topic, [Outgoing(view_bytes(view)) for view in events])
        counters = tmp_path / f"{name}.json"
        arguments = [
            "--runner=PrismRunner",
            f"--prism_location={prism_binary}",
            "--environment_type=LOOPBACK",
            f"--input_subscription={subscription}",
            "--stop_after_idle=1",
            f"--bigtable_table={table}",
            f"--features={tmp_path / 'features.yaml'}",
            f"--quarantine_output={tmp_path / 'quarantine'}",
            f"--late_output={tmp_path / 'late'}",
            f"--pseudonym_key=env:{KEY_VARIABLE}",
            f"--counters_output={counters}",
            "--shards=2",
        ]
        assert main([*arguments, *more]) == 0
        counted = json.loads(counters.read_text())
        assert conserved(counted)
        assert counted["accepted"] == len(events)
        return counted, *read(table)

    return run


def test_a_job_launched_inside_a_tile_leaves_it_to_its_predecessor_and_writes_the_later_ones(job):
    counted, tiles, pages = job("first", FIRST, "--covers_from=beginning")
    assert counted["tiles_withheld"] == 0
    assert tiles == tiles_of(FIRST, BASE)
    launch = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(LAUNCH / 1e6))

    counted, both, pages = job("second", SECOND, f"--now={launch}")

    covered = tiles_of(FIRST + SECOND, LAUNCH)
    withheld = tiles_of(SECOND, BASE).keys() - covered.keys()
    assert both == tiles | covered
    assert counted["tiles_withheld"] == len(withheld)
    # What was withheld would have won by its count, lost by it, or been the first of its tile.
    assert {place[0].split("#")[2] for place in withheld} == {"ana", "bo", "cy"}
    newest = {view.user: view for view in sorted(FIRST + SECOND, key=lambda view: view.time)}
    assert pages == {
        row_key("user", user).decode(): (view.time, view.page) for user, view in newest.items()
    }
