"""The BigQuery emulator refuses what production refuses, and loads objects of Cloud Storage."""

import concurrent.futures
import json
from decimal import Decimal

import pytest
from google.api_core.exceptions import BadRequest, Conflict
from google.cloud import bigquery

from local.bigquery_columns import widen_columns

COLUMNS = [
    bigquery.SchemaField("id", "STRING", "REQUIRED"),
    bigquery.SchemaField("at", "TIMESTAMP"),
    bigquery.SchemaField("n", "INTEGER"),
    bigquery.SchemaField("price", "NUMERIC"),
    bigquery.SchemaField("digest", "BYTES"),
    bigquery.SchemaField(
        "items", "RECORD", "REPEATED", fields=[bigquery.SchemaField("raw", "BYTES", "REPEATED")]
    ),
]
ROW = (
    '{"id":"a","at":"2026-01-31T12:00:00.000001Z","price":"1.25","digest":"AP9o",'
    '"items":[{"raw":["aGk=","AA=="]}]}\n'
)


@pytest.fixture
def table(bigquery_emulator):
    dataset = bigquery_emulator.dataset()
    name = f"{bigquery_emulator.project}.{dataset}.events"
    return str(bigquery_emulator.client.create_table(bigquery.Table(name, COLUMNS)).reference)


@pytest.fixture
def client(bigquery_emulator):
    return bigquery_emulator.client


@pytest.fixture
def load(client, gcs_emulator):
    bucket = gcs_emulator.client.bucket(gcs_emulator.bucket())

    def run(text, table, job_id=None):
        bucket.blob("rows.ndjson").upload_from_string(text)
        config = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
        uri = f"gs://{bucket.name}/rows.ndjson"
        return client.load_table_from_uri(uri, table, job_id=job_id, job_config=config)

    return run


def rows(client, table):
    return [dict(row) for row in client.query(f"SELECT * FROM `{table}` ORDER BY id").result()]


def test_a_view_is_told_with_its_query_as_it_was_given(client, bigquery_emulator):
    name = f"{bigquery_emulator.project}.{bigquery_emulator.dataset()}.view"
    view = bigquery.Table(name)
    view.view_query = 'SELECT \'it\\\'s\' AS a, r"\\d" AS b,\n  "\\\\" AS c'
    client.create_table(view)
    assert client.get_table(name).view_query == view.view_query
    view.view_query += " LIMIT 1"
    assert client.update_table(view, ["view_query"]).view_query == view.view_query
    assert client.get_table(name).view_query == view.view_query


def test_an_object_of_cloud_storage_is_loaded_with_its_bytes(client, table, load):
    load(ROW, table).result()
    (row,) = rows(client, table)
    assert row["digest"] == b"\x00\xffh"
    assert row["items"] == [{"raw": [b"hi", b"\x00"]}]
    assert (row["at"].isoformat(), str(row["price"].normalize())) == (
        "2026-01-31T12:00:00.000001+00:00",
        "1.25",
    )


def test_the_id_of_a_job_is_taken_for_good(client, table, load):
    load(ROW, table, job_id=f"load-{table[-12:]}-x".replace(".", "-")).result()
    with pytest.raises(Conflict):
        load(ROW, table, job_id=f"load-{table[-12:]}-x".replace(".", "-"))
    assert len(rows(client, table)) == 1


def test_of_jobs_of_one_id_at_the_same_time_one_is_run(client, table):
    job_id = f"job-{table.rpartition('dataset_')[2].replace('.', '-')}"
    sql = f"INSERT INTO `{table}` (id) VALUES ('x')"

    def ask(_):
        try:
            client.query(sql, job_id=job_id, job_retry=None).result()
        except Conflict:
            return "conflict"
        return "run"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == ["conflict"] * 3 + ["run"]
    assert len(rows(client, table)) == 1


@pytest.mark.parametrize("text", ['{"id":"b","more":1}\n', '{"n":1}\n', '{"id":"b","n":"x"}\n'])
def test_a_load_with_a_row_that_does_not_fit_fails_and_loads_nothing(client, table, load, text):
    with pytest.raises(BadRequest):
        load(ROW + text, table).result()
    assert rows(client, table) == []


@pytest.mark.parametrize(
    ("bad", "place"),
    [({"id": "b", "more": 1}, "more"), ({"n": 1}, "id"), ({"id": "b", "n": "x"}, "id")],
)
def test_a_row_that_does_not_fit_stops_the_others_of_its_request(client, table, bad, place):
    given = [{"id": "a"}, bad, {"id": "c"}]
    errors = client.insert_rows_json(table, given, row_ids=list("123"))
    told = [(each["index"], each["errors"][0]["reason"]) for each in errors]
    assert told == [(0, "stopped"), (1, "invalid"), (2, "stopped")]
    assert errors[1]["errors"][0]["location"] == place
    assert rows(client, table) == []


def test_rows_that_do_not_fit_can_be_skipped(client, table):
    given = [{"id": "a"}, {"more": 1}, {"id": "c"}]
    (error,) = client.insert_rows_json(table, given, row_ids=list("123"), skip_invalid_rows=True)
    assert error["index"] == 1
    assert [row["id"] for row in rows(client, table)] == ["a", "c"]


def test_rows_that_fit_are_inserted_with_their_bytes(client, table):
    assert client.insert_rows_json(table, [{"id": "a", "digest": "AP9o"}], row_ids=["1"]) == []
    assert rows(client, table)[0]["digest"] == b"\x00\xffh"


def _wide(name, kind, mode="NULLABLE", fields=(), **digits):
    return bigquery.SchemaField(name, kind, mode, fields=fields, **digits)


def _wide_table(bigquery_emulator):
    digits = (
        _wide("select", "STRING"),
        _wide("Order", "NUMERIC", precision=38, scale=9),
        _wide("whole", "BIGNUMERIC", precision=38, scale=0),
        _wide("group", "BIGNUMERIC", "REPEATED", precision=38, scale=38),
        _wide("open", "BIGNUMERIC"),
    )
    columns = [_wide("id", "STRING"), _wide("from", "RECORD", fields=digits)]
    name = f"{bigquery_emulator.project}.{bigquery_emulator.dataset()}.wide"
    return bigquery_emulator.client.create_table(bigquery.Table(name, columns))


WIDE = {
    "select": "a",
    "Order": f"{'9' * 29}.{'8' * 9}",
    "whole": "-" + "7" * 38,
    "group": ["0." + "6" * 38, "0.5"],
    "open": "1.000000000000000001",
}


def _decimals(row):
    told = row["from"]
    return {**told, "group": [*map(Decimal, told["group"])], "select": told["select"]} | {
        name: Decimal(told[name]) for name in ("Order", "whole", "open")
    }


@pytest.mark.parametrize("way", ["load", "insert"])
def test_words_of_sql_name_fields_and_decimals_keep_their_digits(
    bigquery_emulator, client, load, way
):
    table = _wide_table(bigquery_emulator)
    row = {"id": "a", "from": WIDE}
    if way == "load":
        load(json.dumps(row) + "\n", str(table.reference)).result()
    else:
        assert client.insert_rows_json(table, [row]) == []
    (found,) = rows(client, str(table.reference))
    assert _decimals(found) == _decimals(row)
    assert client.get_table(table).schema == table.schema
    assert [each.precision for each in table.schema[1].fields] == [None, 38, 38, 38, None]


def test_a_table_that_grows_keeps_the_digits_of_its_decimals(bigquery_emulator, client, load):
    table = _wide_table(bigquery_emulator)
    row = {"id": "a", "from": WIDE}
    load(json.dumps(row) + "\n", str(table.reference)).result()
    before, after = table.to_api_repr(), table.to_api_repr()
    more = [{"name": "join", "type": "NUMERIC"}, {"name": "big", "type": "BIGNUMERIC"}]
    after["schema"]["fields"][1]["fields"] += more
    after["schema"]["fields"] += [{"name": "limit", "type": "NUMERIC"}]
    client.update_table(bigquery.Table.from_api_repr(after), ["schema"])
    widen_columns(client, str(table.reference), before, after)
    grown = {"id": "b", "limit": "0.123456789", "from": {**WIDE, "join": "0.123456789"}}
    load(json.dumps(grown) + "\n", str(table.reference)).result()
    first, second = rows(client, str(table.reference))
    assert _decimals(first) == {**_decimals(row), "join": None, "big": None}
    assert second["limit"] == second["from"]["join"] == Decimal("0.123456789")
