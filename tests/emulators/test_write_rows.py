"""Rows reach tables of the BigQuery emulator by inserts and by loads, once, whatever breaks."""

import json

import apache_beam as beam
import pytest
from google.api_core.exceptions import BadRequest, ServiceUnavailable
from google.cloud import bigquery

from local.resources import unique_name
from schemas.events import RawEvent
from schemas.packs import RawPack
from schemas.row_packs import RowPack
from schemas.row_sink import RowSink
from schemas.table_names import Datasets
from schemas.tables import Column, Table
from tests.engine import run_batch
from transforms import load_jobs
from transforms.load_jobs import LoadFailedError, TableLoad
from transforms.load_rows import LoadRows
from transforms.object_store import list_objects
from transforms.write_rows import WriteRows

COLUMNS = (
    Column("event_id", "STRING", "REQUIRED"),
    Column("event_timestamp", "TIMESTAMP", "REQUIRED"),
    Column("n", "INTEGER"),
    Column("price", "NUMERIC"),
    Column("digest", "BYTES"),
    Column("tags", "STRING", "REPEATED"),
    Column("details", "RECORD", fields=(Column("plan", "STRING"),)),
    Column("unknown_fields", "STRING", "REPEATED"),
    Column("publish_time", "TIMESTAMP"),
    Column("ingest_time", "TIMESTAMP", "REQUIRED"),
    Column("message_id", "STRING"),
    Column("content_digest", "STRING", "REQUIRED"),
)
NEVER = 4_102_444_800_000_000


class Place:
    """A dataset with one table, and a bucket for what is staged."""

    def __init__(self, bigquery_emulator, gcs_emulator):
        self.client = bigquery_emulator.client
        self.prefix = unique_name("p").replace("-", "_") + "_"
        self.datasets = Datasets(bigquery_emulator.project, self.prefix)
        self.table = Table(
            "silver_product", "lesson", "", COLUMNS, "event_timestamp", key=("event_id",)
        )
        bigquery_emulator.dataset(self.datasets.dataset("silver_product"))
        self.name = self.datasets.full(self.table.full_name)
        made = bigquery.Table(self.name, self.table.schema())
        made.time_partitioning = bigquery.TimePartitioning(field="event_timestamp")
        self.client.create_table(made)
        self.staging = f"gs://{gcs_emulator.bucket()}/staging"

    def load(self, run="r1"):
        return RowSink.load(self.datasets, self.staging, [self.table], run=run, expires=NEVER)

    def rows(self):
        found = self.client.query(f"SELECT * FROM `{self.name}` ORDER BY event_id").result()
        return [dict(row) for row in found]

    def staged(self):
        dataset = self.datasets.dataset("silver_product")
        tables = [table.table_id for table in self.client.list_tables(dataset)]
        objects = [each.path for each in list_objects(self.staging, ".ndjson")]
        return [name for name in tables if "__staging_" in name] + objects


@pytest.fixture
def place(bigquery_emulator, gcs_emulator):
    return Place(bigquery_emulator, gcs_emulator)


def row(number, **changed):
    made = {
        "event_id": f"e{number:03}",
        "event_timestamp": f"2026-01-{1 + number % 28:02}T12:00:00.000001Z",
        "n": number,
        "price": "1.25",
        "digest": "AP9o",
        "tags": ["a", "b"],
        "details": {"plan": "pro"},
        "publish_time": "2026-02-01T00:00:00.000000Z",
        "ingest_time": "2026-02-01T00:00:01.000000Z",
        "message_id": f"m{number}",
        "content_digest": "00ff",
    }
    return {**made, **changed}


def packs(rows, size=7):
    given = [json.dumps(each).encode() for each in rows]
    raws = [RawEvent(b'{"raw":%d}' % n, message_id=f"m{n}") for n in range(len(given))]
    whole = RowPack("silver_product.lesson", given, [f"i{n}" for n in range(len(given))])
    whole.raw = RawPack.of(raws)
    return [
        whole.take(range(start, min(start + size, len(given))))
        for start in range(0, len(given), size)
    ]


def write(sink, rows, bundle_repeat=0, step=None):
    def build(pipeline):
        given = pipeline | beam.Create(packs(rows), reshuffle=False)
        return (given | (step or WriteRows(sink)))._asdict()

    outcome = run_batch(build, bundle_repeat)
    if not bundle_repeat:
        counted = outcome.counters
        refused = counted.get("rows_refused", 0)
        assert counted["rows"] == counted.get("rows_written", 0) + refused == len(rows)
        assert refused == len(outcome["rejected"])
    return outcome


def ids(rows):
    return [each["event_id"] for each in rows]


def test_inserted_rows_are_there_and_a_bad_one_comes_back_with_its_message(place):
    rows = [*map(row, range(20)), {**row(20), "unknown": 1}]
    outcome = write(RowSink.inserts(place.datasets), rows)
    assert ids(place.rows()) == [f"e{n:03}" for n in range(20)]
    (rejected,) = outcome["rejected"]
    assert (rejected.payload, rejected.reason) == (b'{"raw":20}', "row_refused")
    assert rejected.detail == "silver_product.lesson: invalid: unknown: no such field"


def test_loaded_rows_are_there_once_with_all_their_columns_and_nothing_stays_staged(place):
    rows = [*map(row, range(60)), row(3), row(4)]
    outcome = write(place.load(), rows)
    assert outcome["written"] == ["silver_product.lesson"]
    found = place.rows()
    assert ids(found) == [f"e{n:03}" for n in range(60)]
    first = found[0]
    assert (first["digest"], first["tags"], first["details"]) == (
        b"\x00\xffh",
        ["a", "b"],
        {"plan": "pro"},
    )
    assert str(first["price"].normalize()) == "1.25"
    assert first["event_timestamp"].microsecond == 1
    assert place.staged() == []


def test_bundles_that_are_run_twice_load_and_merge_once(place):
    write(place.load(), map_rows := [*map(row, range(30))], bundle_repeat=1)
    assert ids(place.rows()) == ids(map_rows)
    assert place.staged() == []


def test_the_same_rows_in_another_run_change_nothing(place):
    write(place.load("first"), [*map(row, range(10))])
    before = place.rows()
    later = [row(n, ingest_time="2026-03-01T00:00:00.000000Z") for n in range(10)]
    write(place.load("second"), later)
    assert place.rows() == before
    write(place.load("first"), [*map(row, range(10))])
    assert place.rows() == before


@pytest.mark.parametrize("other_first", [True, False])
def test_of_rows_of_one_event_the_one_published_first_stays_in_any_order_of_runs(
    place, other_first
):
    ours = row(1, n=1)
    later = row(1, n=2, publish_time="2026-02-02T00:00:00.000000Z", content_digest="0000")
    never = {name: value for name, value in row(1, n=3).items() if name != "publish_time"}
    runs = [[later, never], [ours]] if other_first else [[ours], [never, later]]
    for number, rows in enumerate(runs):
        write(place.load(f"run{number}"), rows)
    assert [each["n"] for each in place.rows()] == [1]


def test_the_least_content_digest_decides_between_equal_times(place):
    for number, digest in enumerate(["bb", "aa", "cc"]):
        write(place.load(f"run{number}"), [row(1, n=number, content_digest=digest)])
    assert [each["content_digest"] for each in place.rows()] == ["aa"]


def test_a_job_that_is_killed_between_load_and_merge_is_finished_by_its_repetition(
    place, monkeypatch
):
    rows = [*map(row, range(25))]
    with monkeypatch.context() as broken:
        broken.setattr(TableLoad, "merge", lambda *_: 1 / 0)
        with pytest.raises(Exception, match="division by zero"):
            write(place.load("same"), rows)
    assert place.rows() == []
    assert place.staged()
    write(place.load("same"), rows)
    assert place.rows() == sorted(place.rows(), key=lambda each: each["event_id"])
    assert ids(place.rows()) == ids(rows)
    assert place.staged() == []


def test_a_run_that_is_repeated_with_more_rows_adds_them(place):
    write(place.load("same"), [*map(row, range(5))])
    write(place.load("same"), [*map(row, range(9))])
    assert ids(place.rows()) == [f"e{n:03}" for n in range(9)]


def test_staged_rows_that_are_gone_are_not_taken_for_merged(place, monkeypatch):
    rows = [*map(row, range(5))]
    with monkeypatch.context() as broken:
        broken.setattr(TableLoad, "merge", lambda *_: 1 / 0)
        with pytest.raises(Exception, match="division by zero"):
            write(place.load("old"), rows)
    for name in place.staged():
        if "__staging_" in name:
            place.client.delete_table(f"{place.datasets.dataset('silver_product')}.{name}")
    with pytest.raises(LoadFailedError, match="staged rows of run old have expired"):
        write(place.load("old"), rows)
    write(place.load("new"), rows)
    assert ids(place.rows()) == ids(rows)


def test_rows_that_do_not_fit_are_refused_and_the_others_of_their_object_are_loaded(place):
    good = [*map(row, range(30))]
    bad = [{**row(40), "unknown": 1}, row(41, n="x"), row(42, event_id=None), row(43, tags="a")]
    outcome = write(place.load(), [*good, *bad])
    assert ids(place.rows()) == ids(good)
    assert sorted(each.detail for each in outcome["rejected"]) == [
        "silver_product.lesson: a required field is missing: event_id",
        "silver_product.lesson: another type: n",
        "silver_product.lesson: another type: tags",
        "silver_product.lesson: no such field: unknown",
    ]
    assert {each.payload for each in outcome["rejected"]} == {
        b'{"raw":%d}' % n for n in range(30, 34)
    }


def test_a_row_in_which_nothing_is_found_is_found_by_cutting(place):
    rows = [*map(row, range(20)), row(30, publish_time="2026-13-45T00:00:00Z")]
    outcome = write(place.load(), rows, step=LoadRows(place.load(), buckets=1))
    assert ids(place.rows()) == ids(rows[:-1])
    assert [each.detail for each in outcome["rejected"]] == ["silver_product.lesson: invalid"]


def test_equal_rows_that_come_in_two_orders_are_loaded_and_are_one_each(place):
    rows = [*map(row, range(7))]
    # The first row of a pack says in which object it goes; some two orders go into two of them.
    for first in range(1, 7):
        write(place.load(f"r{first}"), [*rows, *rows[first:], *rows[:first]])
    assert ids(place.rows()) == ids(rows)


def test_where_a_load_without_rows_is_refused_too_no_row_is_blamed(place, monkeypatch):
    def elsewhere(*_given, **_named):
        told = "Cannot read and write in different locations: source: US, destination: EU"
        raise BadRequest(told, errors=[{"reason": "invalid", "message": told}])

    monkeypatch.setattr(bigquery.Client, "load_table_from_uri", elsewhere)
    with pytest.raises(LoadFailedError, match="a load without rows fails too"):
        write(place.load(), [*map(row, range(3))])


def test_where_all_rows_are_refused_nothing_stays_staged(place):
    outcome = write(place.load(), [row(n, n="x") for n in range(3)])
    assert len(outcome["rejected"]) == 3
    assert place.rows() == place.staged() == []


def test_a_load_whose_answer_is_lost_is_waited_for_and_not_run_again(place, monkeypatch):
    stock = bigquery.Client.load_table_from_uri
    started = []

    def lost(client, *given, **named):
        started.append(named["job_id"])
        stock(client, *given, **named)
        if len(started) == 1:
            msg = "the answer is lost"
            raise ServiceUnavailable(msg)
        return stock(client, *given, **named)

    monkeypatch.setattr(bigquery.Client, "load_table_from_uri", lost)
    monkeypatch.setattr(load_jobs, "_FIRST_WAIT", 0.0)
    rows = [*map(row, range(5))]
    write(place.load(), rows, step=LoadRows(place.load(), buckets=1))
    assert ids(place.rows()) == ids(rows)


def test_a_table_that_is_missing_fails_in_one_line_with_the_remedy(place):
    place.client.delete_table(place.name)
    with pytest.raises(LoadFailedError, match="penstock tables create") as raised:
        write(place.load(), [row(1)])
    assert place.name in str(raised.value)


def test_rows_in_objects_of_any_size_come_to_the_same(place):
    rows = [row(n) for n in range(40)]
    write(place.load(), rows, step=LoadRows(place.load(), max_bytes=1_000, buckets=3))
    assert ids(place.rows()) == ids(rows)


def test_rows_without_a_time_are_merged_by_their_key_alone(place):
    columns = (Column("insert_id", "STRING", "REQUIRED"), Column("moment", "TIMESTAMP"))
    table = Table("silver_product", "panes", "", columns, "moment")
    made = bigquery.Table(place.datasets.full(table.full_name), table.schema())
    place.client.create_table(made)
    times = ["2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z", None]
    rows = [json.dumps({"insert_id": f"i{n}", "moment": times[n % 3]}).encode() for n in range(9)]
    given = RowPack(table.full_name, [*rows, *rows], [f"i{n}" for n in range(18)])
    for run in ("first", "second"):
        sink = RowSink.load(place.datasets, place.staging, [table], run=run, expires=NEVER)
        run_batch(lambda p, sink=sink: (p | beam.Create([given]) | WriteRows(sink))._asdict())
    found = place.client.query(
        f"SELECT insert_id, moment FROM `{made.reference}` ORDER BY 1"
    ).result()
    assert [(each["insert_id"], each["moment"] is None) for each in found] == [
        (f"i{n}", times[n % 3] is None) for n in range(9)
    ]
