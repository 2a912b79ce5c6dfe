import contextlib
import logging
import threading
import time

import apache_beam as beam
import pytest
from apache_beam.transforms.window import FixedWindows, TimestampedValue
from grpc import StatusCode as Code
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cell_lines import parse_change
from schemas.cells import Cell, Clear, RowChange
from schemas.events import RawEvent
from schemas.rejected import Rejected
from tests.engine import run_batch
from tests.fake_bigtable import OK, Cut, FakeBigtable, always, by_row, serving
from transforms import bigtable_connection
from transforms.mutate_rows import BulkMutation, NothingWrittenError, Patience
from transforms.mutation_batch import encode_row
from transforms.write_cells import WriteCells, refused_change

pytestmark = pytest.mark.engine

TABLE = "projects/p/instances/i/tables/t"
SECRET = b"a personal value"


@pytest.fixture
def serve(monkeypatch):
    with contextlib.ExitStack() as stack:

        def start(fake):
            address = stack.enter_context(serving(fake))
            monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", address)
            return fake

        yield start


def any_change(key=b"r0", cells=2, value=SECRET):
    made = [Cell("t", f"f{i}", 3_602_000, value, 3_600_000) for i in range(cells)]
    return RowChange(key, made)


def changes(count, **options):
    return [any_change(f"r{i}".encode(), **options) for i in range(count)]


def write(given_changes, bundle_repeat=0, **options):
    def build(pipeline):
        rows = pipeline | beam.Create(given_changes, reshuffle=False)
        return (rows | WriteCells(TABLE, **options))._asdict()

    outcome = run_batch(build, bundle_repeat)
    counters = outcome.counters
    assert counters["mutations"] == counters["written"] + counters["refused"]
    if not bundle_repeat:
        assert counters["written"] == len(outcome["written"])
        assert counters["refused"] == len(outcome["rejected"])
    return outcome


def keys(count):
    return {f"r{i}".encode() for i in range(count)}


def test_good_rows_of_a_bad_batch_are_written_and_bad_ones_come_back_whole(serve):
    fake = serve(FakeBigtable(by_row({b"r3": [Code.INVALID_ARGUMENT]})))
    outcome = write(changes(10))
    assert set(outcome["written"]) == set(fake.rows) == keys(10) - {b"r3"}
    (rejected,) = outcome["rejected"]
    assert isinstance(rejected, Rejected)
    assert (rejected.step, rejected.reason, rejected.detail) == (
        "WriteCells",
        "mutation_refused",
        "INVALID_ARGUMENT",
    )
    assert parse_change(rejected.payload) == any_change(b"r3")


def test_what_is_transient_is_tried_again_until_it_is_written(serve):
    script = {b"r1": [Code.UNAVAILABLE, OK], b"r2": [Code.RESOURCE_EXHAUSTED] * 2 + [OK]}
    fake = serve(FakeBigtable(by_row(script)))
    outcome = write(changes(4))
    assert set(outcome["written"]) == set(fake.rows) == keys(4)
    assert outcome.counters["write_retries"] == 3


def test_a_row_that_never_ceases_to_fail_is_refused_after_the_deadline(serve):
    fake = serve(FakeBigtable(by_row({b"r1": [Code.RESOURCE_EXHAUSTED]})))
    outcome = write(changes(4), deadline=0.5)
    assert set(fake.rows) == keys(4) - {b"r1"}
    assert [rejected.detail for rejected in outcome["rejected"]] == ["RESOURCE_EXHAUSTED"]


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("code", [OK, Code.UNAVAILABLE, Code.INTERNAL])
def test_a_stream_that_is_cut_mid_batch_loses_no_row(serve, code, applied):
    fake = serve(FakeBigtable(by_row({b"r5": [Cut(code, applied), OK]})))
    outcome = write(changes(12))
    assert set(outcome["written"]) == set(fake.rows) == keys(12)
    assert all(cells == {3_602_000: SECRET} for row in fake.rows.values() for cells in row.values())


def test_a_slow_server_is_given_up_for_the_attempt_and_asked_again(serve):
    fake = serve(FakeBigtable(delay=lambda number: 0.0 if number else 1.0))
    outcome = write(changes(3), attempt_timeout=0.5)
    assert set(outcome["written"]) == set(fake.rows) == keys(3)
    assert len(fake.requests) > 1


def test_a_server_that_goes_down_and_comes_back_gets_every_row(monkeypatch):
    fake = FakeBigtable()
    with serving(fake) as address:
        monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", address)
    back = threading.Event()

    def come_back():
        with serving(fake, int(address.rpartition(":")[2])):
            back.wait(20)

    timer = threading.Timer(0.5, come_back)
    timer.start()
    outcome = write(changes(3), deadline=15)
    back.set()
    timer.join()
    assert set(outcome["written"]) == set(fake.rows) == keys(3)


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.PERMISSION_DENIED, Code.NOT_FOUND])
@pytest.mark.parametrize("whole", [True, False])
def test_where_nothing_can_be_written_the_bundle_fails_with_one_line(serve, code, whole):
    serve(FakeBigtable(request_script=lambda number: code) if whole else FakeBigtable(always(code)))
    with pytest.raises(NothingWrittenError, match=code.name) as raised:
        write(changes(3), deadline=0.3)
    assert "\n" not in str(raised.value)


def test_no_value_reaches_a_log_line_or_an_error(serve, caplog):
    caplog.set_level(logging.DEBUG)
    serve(FakeBigtable(by_row({b"r1": [Code.INVALID_ARGUMENT]})))
    outcome = write(changes(3))
    assert not any("personal value" in rejected.detail for rejected in outcome["rejected"])
    serve(FakeBigtable(always(Code.NOT_FOUND)))
    with pytest.raises(NothingWrittenError) as raised:
        write(changes(3))
    assert "personal value" not in caplog.text + str(raised.value)


def test_requests_stay_within_their_bounds(serve):
    fake = serve(FakeBigtable())
    write(changes(40), max_rows_per_request=7)
    assert [len(request.entries) for request in fake.requests] == [7, 7, 7, 7, 7, 5]
    fake = serve(FakeBigtable())
    write(changes(30, value=b"v" * 500, cells=1), max_bytes_per_request=2_000)
    assert (max(fake.sizes) <= 2_100, len(fake.requests)) == (True, 10)
    fake = serve(FakeBigtable())
    write(changes(10, cells=3), max_mutations_per_request=13)
    assert [len(request.entries) for request in fake.requests] == [2] * 5


def test_a_row_that_no_request_may_hold_is_refused_without_failing_the_batch(serve):
    fake = serve(FakeBigtable())
    given_changes = [*changes(3), any_change(b"big", value=b"v" * 5_000), RowChange(b"bare", [])]
    outcome = write(given_changes, max_row_bytes=4_000)
    assert set(fake.rows) == keys(3)
    assert sorted(rejected.detail for rejected in outcome["rejected"]) == [
        "INVALID_ARGUMENT: more than 4000 bytes",
        "INVALID_ARGUMENT: no cells",
    ]


def test_the_same_row_twice_in_a_request_ends_the_same_in_either_order(serve):
    older = RowChange(b"r", [Cell("t", "n", 3_602_000, b"2", 3_600_000)])
    newer = RowChange(b"r", [Cell("t", "n", 3_605_000, b"5", 3_600_000)])
    for order in ([older, newer, older], [newer, older, older]):
        fake = serve(FakeBigtable())
        write(order)
        cells = fake.rows[b"r"]["t", b"n"]
        assert cells[max(cells)] == b"5"


@pytest.mark.parametrize("first_try", [Code.OK, Code.UNAVAILABLE])
def test_two_values_for_one_cell_are_written_in_their_order_whatever_fails(serve, first_try):
    """Bigtable applies the entries of one request in any order, also those of one row."""
    fake = serve(FakeBigtable(by_row({b"r0": [first_try, Code.OK]})))
    tied = [RowChange(b"r0", [Cell("s", "last", 5_000, value)]) for value in (b"a", b"b", b"c")]
    outcome = write([tied[0], any_change(b"r1"), *tied[1:], any_change(b"r2")])
    assert fake.rows[b"r0"] == {("s", b"last"): {5_000: b"c"}}
    assert sorted(outcome["written"]) == [b"r0", b"r0", b"r0", b"r1", b"r2"]
    for request in fake.requests:
        asked = [entry.row_key for entry in request.entries]
        assert len(asked) == len(set(asked))


def any_repair(key=b"r0", value=b"repaired"):
    return RowChange(
        key, [Cell("t", "f0", 3_602_000, value)], (Clear("t", "f0", 3_600_000, 7_200_000),)
    )


@pytest.mark.parametrize("first_try", [Code.OK, Code.UNAVAILABLE])
def test_what_a_change_clears_and_what_others_set_in_it_are_written_in_their_order(
    serve, first_try
):
    fake = serve(FakeBigtable(by_row({b"r0": [first_try, Code.OK]})))
    over = RowChange(b"r0", [Cell("t", "f0", 3_609_000, b"too many")])
    after = RowChange(b"r0", [Cell("t", "f0", 3_605_000, b"after")])
    outcome = write([over, any_repair(), after])
    assert fake.rows[b"r0"] == {("t", b"f0"): {3_602_000: b"repaired", 3_605_000: b"after"}}
    assert len(outcome["written"]) == 3
    for request in fake.requests:
        assert len(request.entries) == 1


def test_a_refused_repair_comes_back_with_what_it_clears(serve):
    bare = RowChange(b"r1", [], any_repair().clears)
    script = {b"r0": [Code.INVALID_ARGUMENT], b"r1": [Code.RESOURCE_EXHAUSTED]}
    serve(FakeBigtable(by_row(script)))
    outcome = write([any_repair(), bare, RowChange(b"r2", [], bare.clears)], deadline=0.3)
    assert outcome["written"] == [b"r2"]
    found = {parse_change(rejected.payload).row_key: rejected for rejected in outcome["rejected"]}
    assert parse_change(found[b"r0"].payload) == any_repair()
    assert parse_change(found[b"r1"].payload) == bare


def test_versions_and_repetitions_of_a_cell_share_a_request(serve):
    fake = serve(FakeBigtable())
    versions = [RowChange(b"r0", [Cell("s", "last", n * 1_000, b"v")]) for n in (1, 2, 2, 3)]
    write(versions)
    assert [len(request.entries) for request in fake.requests] == [4]


def test_bundles_that_run_twice_leave_the_same_rows(serve):
    once, twice = serve(FakeBigtable()), None
    write(changes(20))
    twice = serve(FakeBigtable())
    write(changes(20), bundle_repeat=1)
    assert once.rows == twice.rows


def test_windows_and_times_of_the_changes_are_kept(serve):
    serve(FakeBigtable(by_row({b"r7": [Code.INVALID_ARGUMENT]})))

    def build(pipeline):
        rows = (
            pipeline
            | beam.Create(changes(10))
            | beam.Map(_stamped).with_output_types(RowChange)
            | beam.WindowInto(FixedWindows(60))
        )
        outputs = rows | WriteCells(TABLE)
        return {
            name: output | f"Show {name}" >> beam.Map(_window)
            for name, output in outputs._asdict().items()
        }

    outcome = run_batch(build)
    assert sorted(outcome["written"]) == [n * 60 for n in range(10) if n != 7]
    assert outcome["rejected"] == [420]


def _stamped(change):
    return TimestampedValue(change, int(change.row_key[1:]) * 60 + 5)


def _window(element, window=beam.DoFn.WindowParam, time_=beam.DoFn.TimestampParam):
    assert window.start + 5 == time_
    return int(window.start)


def test_flow_control_is_asked_for_and_the_servers_rate_is_kept(serve):
    fake = serve(FakeBigtable(rate_factor=1.3))
    started = time.monotonic()
    write(changes(4), max_rows_per_request=1, flow_control=True, app_profile="batch")
    assert time.monotonic() - started > 2 / 13
    assert {sent["bigtable-features"] for sent in fake.metadata} == {"GAEoAQ=="}
    assert fake.metadata[0]["x-goog-request-params"] == (
        "table_name=projects%2Fp%2Finstances%2Fi%2Ftables%2Ft&app_profile_id=batch"
    )
    assert fake.requests[0].app_profile_id == "batch"


def test_without_flow_control_no_feature_is_declared(serve):
    fake = serve(FakeBigtable())
    write(changes(1))
    assert "bigtable-features" not in fake.metadata[0]


def test_the_client_is_shared_within_the_process_and_closed_by_its_last_user(serve):
    serve(FakeBigtable())
    table = bigtable_connection.TableName.parse(TABLE)
    first, second = (bigtable_connection.Connection(table) for _ in range(2))
    assert len(bigtable_connection._CLIENTS) == 1
    first.close()
    assert len(bigtable_connection._CLIENTS) == 1
    second.close()
    assert bigtable_connection._CLIENTS == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"table": "t"},
        {"max_rows_per_request": 0},
        {"max_mutations_per_request": 100_001},
        {"deadline": 0},
    ],
)
def test_wrong_constants_are_refused_when_the_job_is_built(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        WriteCells(**{"table": TABLE, **wrong})


def test_the_outputs_are_typed_so_that_their_coders_are_the_suites():
    pipeline = beam.Pipeline()
    outputs = pipeline | beam.Create(changes(1)) | WriteCells(TABLE)
    assert (outputs.written.element_type, outputs.rejected.element_type) == (bytes, Rejected)


FAULTS = st.sampled_from(
    [
        (Code.UNAVAILABLE, OK),
        (Code.INVALID_ARGUMENT,),
        (Cut(applied=True), OK),
        (Cut(OK), Cut(Code.INTERNAL), OK),
        (Code.NOT_FOUND,),
        (Cut(Code.INVALID_ARGUMENT),),
    ]
)


def test_over_the_wire_each_row_is_written_or_refused_whatever_fails(serve):
    fake = serve(FakeBigtable())
    connection = bigtable_connection.Connection(bigtable_connection.TableName.parse(TABLE))
    rows = [encode_row(change) for change in [*changes(6), any_change(b"good")]]

    @settings(max_examples=30, deadline=None)
    @given(scripts=st.dictionaries(st.integers(0, 5), FAULTS), chunk=st.integers(1, 8))
    def holds(scripts, chunk):
        fake.script = by_row({f"r{row}".encode(): [*steps] for row, steps in scripts.items()})
        fake.rows, fake.tries, fake.chunk = {}, {}, chunk
        refused = BulkMutation(connection.send, Patience(first_wait=0.001)).write(rows)
        assert refused.keys() == {row for row, steps in scripts.items() if steps[-1] is not OK}
        assert set(fake.rows) == {
            row.change.row_key for index, row in enumerate(rows) if index not in refused
        }

    holds()
    connection.close()


def test_a_refused_change_is_an_ordinary_reject():
    rejected = refused_change(any_change(), "NOT_FOUND", "projects/p/instances/i/tables/t")
    assert rejected.attributes == {"bigtable_table": "projects/p/instances/i/tables/t"}
    assert rejected.message_id == RawEvent(b"").message_id
    assert parse_change(rejected.payload) == any_change()
