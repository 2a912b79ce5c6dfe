"""Rows are inserted over HTTP: refused ones come back with their message, none is lost."""

import contextlib
import itertools
import json
import logging

import apache_beam as beam
import pytest

from schemas.events import RawEvent
from schemas.packs import RawPack
from schemas.row_packs import RowPack
from schemas.row_sink import RowSink
from schemas.table_names import Datasets
from tests.engine import run_batch
from tests.fake_bigquery import FakeBigQuery, Status, invalid, serving
from transforms.mutate_rows import NothingWrittenError
from transforms.stream_rows import StreamRows

pytestmark = pytest.mark.engine

TABLE = "silver_product.lesson_started"
SINK = RowSink.inserts(Datasets("penstock-local", "dev_"))
SECRET = "a personal value"


@pytest.fixture
def serve(monkeypatch):
    with contextlib.ExitStack() as stack:

        def start(fake):
            address = stack.enter_context(serving(fake))
            monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
            return fake

        yield start


def any_pack(count, first=0, *, raw=True, table=TABLE, value=SECRET):
    numbers = range(first, first + count)
    rows = [json.dumps({"n": n, "text": value}).encode() for n in numbers]
    events = [RawEvent(b'{"event":%d}' % n, {"a": "b"}, f"m{n}", n) for n in numbers]
    return RowPack(table, rows, [f"id{n}" for n in numbers], RawPack.of(events) if raw else None)


def write(packs, bundle_repeat=0, **options):
    def build(pipeline):
        rows = pipeline | beam.Create(packs, reshuffle=False)
        return (rows | StreamRows(SINK, **options))._asdict()

    outcome = run_batch(build, bundle_repeat)
    counted = outcome.counters
    assert counted["rows"] == counted["rows_written"] + counted["rows_refused"]
    return outcome


def ids(numbers):
    return {f"id{n}" for n in numbers}


def by_number(script):
    """Answer the first times as the script says of a row, by its number."""
    tries = {number: itertools.count() for number in script}

    def answer(_fake, rows):
        errors = {}
        for place, row in enumerate(rows):
            number = row["json"].get("n")
            if number in script and (at := next(tries[number])) < len(script[number]):
                errors[place] = script[number][at]
        return errors

    return answer


def in_turn(*answers):
    """Answer whole requests one after the other, and any more as good."""
    left = iter(answers)
    return lambda _fake, _rows: next(left, {})


def test_a_refused_row_comes_back_as_the_message_it_came_from(serve):
    fake = serve(FakeBigQuery(by_number({3: [invalid("text", f"no such field: {SECRET}")]})))
    outcome = write([any_pack(10)])
    assert set(fake.rows) == ids(range(10)) - {"id3"}
    (rejected,) = outcome["rejected"]
    assert (rejected.step, rejected.reason) == ("WriteRows", "row_refused")
    assert rejected.detail == f"{TABLE}: invalid: text: no such field"
    assert (rejected.payload, rejected.attributes) == (b'{"event":3}', {"a": "b"})
    assert (rejected.message_id, rejected.publish_time) == ("m3", 3)


def test_an_emulator_that_is_named_without_a_scheme_is_found(monkeypatch):
    fake = FakeBigQuery()
    with serving(fake) as address:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address.removeprefix("http://"))
        write([any_pack(3)])
    assert set(fake.rows) == ids(range(3))


def test_an_insert_id_may_hold_any_text(serve):
    fake = serve(FakeBigQuery())
    odd = ['a"b', "c\\d", "e\nf", "\u017c"]
    pack = any_pack(len(odd))
    pack.ids = odd
    write([pack])
    assert set(fake.rows) == set(odd)


def test_a_row_of_many_messages_comes_back_itself_with_its_table(serve):
    serve(FakeBigQuery(by_number({1: [invalid()]})))
    (rejected,) = write([any_pack(3, raw=False)])["rejected"]
    assert json.loads(rejected.payload) == {"n": 1, "text": SECRET}
    assert (rejected.attributes, rejected.message_id) == ({"bigquery_table": TABLE}, "id1")


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_what_is_transient_is_tried_again_until_it_is_written(serve, code):
    fake = serve(FakeBigQuery(in_turn(Status(code), Status(code))))
    outcome = write([any_pack(5)])
    assert set(fake.rows) == ids(range(5))
    assert outcome["rejected"] == []
    assert outcome.counters["row_retries"] >= 5


def test_a_quota_is_waited_for_and_a_missing_right_is_not(serve):
    fake = serve(FakeBigQuery(in_turn(Status(403, "rateLimitExceeded"))))
    write([any_pack(2)])
    assert set(fake.rows) == ids(range(2))
    serve(FakeBigQuery(lambda *_: Status(403, "accessDenied")))
    with pytest.raises(NothingWrittenError, match="403 accessDenied: grant roles/bigquery"):
        write([any_pack(2)])


@pytest.mark.parametrize("answer", [Status(0, applied=True), Status(200, applied=True, delay=1.0)])
def test_an_answer_that_is_lost_loses_no_row_and_the_same_ids_are_sent(serve, answer):
    fake = serve(FakeBigQuery(in_turn(answer)))
    outcome = write([any_pack(5)], attempt_timeout=0.5)
    assert set(fake.rows) == ids(range(5))
    assert all(len(set(map(json.dumps, copies))) == 1 for copies in fake.rows.values())
    assert outcome.counters["rows_written"] == 5


def test_a_request_that_is_refused_for_one_row_is_cut_until_the_row_is_found(serve):
    def poisoned(_fake, rows):
        return Status(400, "invalid") if any(row["json"].get("n") == 33 for row in rows) else {}

    fake = serve(FakeBigQuery(poisoned))
    outcome = write([any_pack(100)])
    assert set(fake.rows) == ids(range(100)) - {"id33"}
    assert [each.detail for each in outcome["rejected"]] == [f"{TABLE}: 400 invalid"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [(Status(404, "notFound"), "penstock tables create"), (Status(401), "credentials")],
)
def test_a_table_that_takes_nothing_fails_the_bundle_in_one_line(serve, answer, told):
    serve(FakeBigQuery(lambda *_: answer))
    with pytest.raises(NothingWrittenError, match=told) as raised:
        write([any_pack(3)])
    assert "penstock-local.dev_silver_product.lesson_started" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_view_refuses_no_rows_but_the_bundle(serve):
    serve(FakeBigQuery(lambda *_: Status(400, "invalid")))
    with pytest.raises(NothingWrittenError, match="400 invalid"):
        write([any_pack(1)])


def test_a_row_that_breaks_the_server_each_time_is_refused_though_it_is_the_only_one(serve):
    def broken(_fake, rows):
        return Status(500) if "n" in rows[0]["json"] else {0: invalid("penstock_probe")}

    fake = serve(FakeBigQuery(broken))
    (rejected,) = write([any_pack(1)], deadline=0.4)["rejected"]
    assert (rejected.detail, fake.rows) == (f"{TABLE}: 500", {})


def test_where_the_server_is_down_the_bundle_fails_after_the_deadline(serve):
    serve(FakeBigQuery(lambda *_: Status(503)))
    with pytest.raises(NothingWrittenError, match="503"):
        write([any_pack(3)], deadline=0.4)


def test_requests_stay_within_their_bounds_and_hold_rows_of_one_table(serve):
    fake = serve(FakeBigQuery())
    write(
        [any_pack(10), any_pack(10, 10), any_pack(4, 20, table="ops.late")], max_rows_per_request=8
    )
    assert sorted(map(len, fake.requests)) == [4, 4, 8, 8]
    fake = serve(FakeBigQuery())
    write([any_pack(30, value="v" * 500)], max_bytes_per_request=2_000)
    assert max(fake.sizes) <= 2_200
    assert set(fake.rows) == ids(range(30))


def test_a_row_that_no_request_may_hold_is_refused_without_being_sent(serve):
    fake = serve(FakeBigQuery())
    outcome = write([any_pack(2), any_pack(1, 2, value="v" * 9_600_000)])
    assert set(fake.rows) == ids(range(2))
    assert [each.detail for each in outcome["rejected"]] == [f"{TABLE}: more than 9500000 bytes"]


def test_a_bundle_that_is_run_twice_leaves_each_row_under_its_own_id(serve):
    fake = serve(FakeBigQuery(by_number({3: [invalid()] * 2})))
    outcome = write([any_pack(20)], bundle_repeat=1)
    assert set(fake.rows) == ids(range(20)) - {"id3"}
    assert {each.message_id for each in outcome["rejected"]} == {"m3"}


def test_no_value_reaches_a_log_line_an_error_or_a_detail(serve, caplog):
    caplog.set_level(logging.DEBUG)
    serve(FakeBigQuery(by_number({1: [invalid("text", f"Cannot convert value: {SECRET}")]})))
    (rejected,) = write([any_pack(3)])["rejected"]
    assert rejected.detail == f"{TABLE}: invalid: text: another type"
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "options",
    [{"max_rows_per_request": 0}, {"max_bytes_per_request": 10**8}, {"deadline": 0}],
)
def test_a_wrong_constant_is_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        StreamRows(SINK, **options)
