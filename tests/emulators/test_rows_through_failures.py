"""Whatever breaks between a job and BigQuery, no row is lost, and none counts twice in the view.

By inserts and by loads. Beam's sink for the Storage Write API is built only: its failures are
Java's, on Dataflow.
"""

import functools
import random
import time

import pytest
from google.api_core.retry import retry_unary
from google.cloud import bigquery

from schemas.row_sink import RowSink
from schemas.silver_tables import current_view
from tests.emulators.test_write_rows import Place, row, write
from tests.http_proxy import LOST, proxied
from transforms import load_jobs, stream_rows
from transforms.mutate_rows import Patience
from transforms.stream_rows import StreamRows

ROWS = [*map(row, range(60))]
IDS = [each["event_id"] for each in ROWS]
QUICK = functools.partial(Patience, first_wait=0.01, longest_wait=0.05)
FAILURES = [LOST, LOST, 429, 500, 503, None, None, None]
BAD = [{**row(70), "unknown": 1}, row(71, n="x")]


class Hasty:
    """The time of Google's client, which waits for a second and more before it tries again."""

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def sleep(seconds):
        time.sleep(seconds / 100)


@pytest.fixture
def place(bigquery_emulator, gcs_emulator, monkeypatch):
    monkeypatch.setattr(retry_unary, "time", Hasty)
    monkeypatch.setattr(stream_rows, "Patience", QUICK)
    monkeypatch.setattr(load_jobs, "_FIRST_WAIT", 0.01)
    return Place(bigquery_emulator, gcs_emulator)


def failing(seed, part, last):
    """Answer the first requests to paths with this part by chance."""
    chance = random.Random(seed)
    return lambda number, path: chance.choice(FAILURES) if number < last and part in path else None


def counted_in_view(place):
    """Make the `_current` view of the table, and return the ids that it counts."""
    view = current_view(place.table)
    made = bigquery.Table(place.datasets.full(view.full_name))
    made.view_query = place.datasets.sql(view.sql)
    place.client.create_table(made)
    found = place.client.query(f"SELECT event_id FROM `{made.reference}` ORDER BY event_id")
    return [each["event_id"] for each in found.result()]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_inserts_through_failures_lose_no_row_and_none_counts_twice(
    place, bigquery_emulator, monkeypatch, seed, bundle_repeat
):
    sink = RowSink.inserts(place.datasets)
    step = StreamRows(sink, max_rows_per_request=9)
    with proxied(bigquery_emulator.address, failing(seed, "/insertAll", 25)) as address:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
        outcome = write(sink, ROWS, bundle_repeat, step)
    assert outcome["rejected"] == []
    # The emulator compares no insert ids: every answer that was lost is a copy.
    assert len(place.rows()) > len(IDS)
    assert counted_in_view(place) == IDS


@pytest.mark.parametrize("seed", range(2))
def test_loads_through_failures_are_there_once(place, bigquery_emulator, monkeypatch, seed):
    with proxied(bigquery_emulator.address, failing(seed, "/jobs", 6)) as address:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
        outcome = write(place.load(), ROWS)
    assert outcome["rejected"] == []
    assert [each["event_id"] for each in place.rows()] == IDS
    assert place.staged() == []


@pytest.mark.parametrize("method", ["inserts", "load"])
def test_a_bad_row_amid_failures_is_refused_with_its_message_and_no_other_is(
    place, bigquery_emulator, monkeypatch, method
):
    inserts = RowSink.inserts(place.datasets)
    sink, step = (
        (inserts, StreamRows(inserts, max_rows_per_request=9))
        if method == "inserts"
        else (place.load(), None)
    )
    given = random.Random(method).sample([*ROWS, *BAD], len(ROWS) + len(BAD))
    bad = {b'{"raw":%d}' % number for number, each in enumerate(given) if each in BAD}
    with proxied(bigquery_emulator.address, failing(9, "", 20)) as address:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
        outcome = write(sink, given, step=step)
    assert {each.payload for each in outcome["rejected"]} == bad
    assert {each.reason for each in outcome["rejected"]} == {"row_refused"}
    assert counted_in_view(place) == IDS


@pytest.mark.parametrize(
    ("part", "script"),
    [
        ("/jobs/penstock_load_", [LOST, 429, 503]),
        # The job is there, so whoever asks again is told so, and looks at it.
        ("/jobs/penstock_load_", [LOST, None, 429, LOST, 503]),
        ("/jobs/penstock_merge_", [LOST, 429, 503]),
        ("/queries/penstock_merge_", [LOST, 429, 503]),
    ],
)
def test_each_step_of_a_load_may_fail_and_each_row_is_there_once(
    place, bigquery_emulator, monkeypatch, part, script
):
    scripts = {}

    def answer(_number, path):
        return next(scripts.setdefault(path, iter(script)), None) if part in path else None

    with proxied(bigquery_emulator.address, answer, ("GET", "POST")) as address:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
        outcome = write(place.load(), ROWS)
    assert scripts
    assert not any([*left] for left in scripts.values())
    assert outcome["rejected"] == []
    assert [each["event_id"] for each in place.rows()] == IDS
    assert place.staged() == []
