import pytest
from grpc import StatusCode as Code
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import Cell, RowChange
from tests.fake_bigtable import OK, Cut, FakeBigtable, FakeRpcError, always, by_row
from transforms.mutate_rows import BulkMutation, NothingWrittenError, Patience
from transforms.mutation_batch import encode_row


class Clock:
    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def patience(clock, deadline=60.0):
    return Patience(deadline, clock=clock, sleep=clock.sleep, jitter=lambda: 0.5)


def rows(count, prefix="r"):
    return [
        encode_row(RowChange(f"{prefix}{i}".encode(), [Cell("s", "plan", 1_000, b"x")]))
        for i in range(count)
    ]


def bulk(fake, deadline=60.0):
    clock = Clock()
    return BulkMutation(fake.send, patience(clock, deadline)), clock


def written(fake):
    return {key for key, cells in fake.rows.items() if cells}


def keys(count):
    return {f"r{i}".encode() for i in range(count)}


def test_all_rows_of_a_good_batch_are_written_in_one_request():
    fake = FakeBigtable()
    assert bulk(fake)[0].write(rows(20)) == {}
    assert (written(fake), len(fake.requests)) == (keys(20), 1)


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.OUT_OF_RANGE])
def test_a_row_that_is_to_blame_is_refused_without_a_second_try(code):
    fake = FakeBigtable(by_row({b"r3": [code]}))
    assert bulk(fake)[0].write(rows(9)) == {3: code}
    assert (written(fake), len(fake.requests)) == (keys(9) - {b"r3"}, 1)


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.ABORTED])
def test_a_transient_status_is_tried_again_with_growing_waits(code):
    fake = FakeBigtable(by_row({b"r1": [code, code, code, OK]}))
    writer, clock = bulk(fake)
    assert writer.write(rows(3)) == {}
    assert clock.slept == pytest.approx([0.075, 0.15, 0.3])
    assert [len(request.entries) for request in fake.requests] == [3, 1, 1, 1]
    assert (written(fake), writer.retries) == (keys(3), 3)


def test_a_row_that_keeps_failing_is_refused_at_the_deadline_while_others_succeed():
    fake = FakeBigtable(by_row({b"r1": [Code.UNAVAILABLE]}))
    writer, clock = bulk(fake)
    assert writer.write(rows(3)) == {1: Code.UNAVAILABLE}
    assert written(fake) == keys(3) - {b"r1"}
    assert 59 < clock.now < 61


def test_a_row_that_breaks_every_request_it_is_in_is_found_and_the_others_are_written():
    fake = FakeBigtable(by_row({b"r500": [Cut(Code.UNAVAILABLE)]}), chunk=10**6)
    assert bulk(fake)[0].write(rows(1_000)) == {500: Code.UNAVAILABLE}
    assert written(fake) == keys(1_000) - {b"r500"}


def test_rows_that_only_failed_in_company_are_tried_alone_before_they_are_refused():
    fake, clock = FakeBigtable(), Clock()

    def slow(entries, timeout):
        clock.now += min(timeout, 5.0 * len(entries))
        if 5.0 * len(entries) > timeout:
            raise FakeRpcError(Code.DEADLINE_EXCEEDED)
        return fake.send(entries, timeout)

    assert BulkMutation(slow, patience(clock, deadline=30)).write(rows(40)) == {}
    assert written(fake) == keys(40)


def test_a_request_that_is_refused_whole_for_one_row_is_narrowed_down_without_waiting():
    fake = FakeBigtable()

    def strict(entries, timeout):
        if any(b"r77" in entry for entry in entries):
            raise FakeRpcError(Code.INVALID_ARGUMENT)
        return fake.send(entries, timeout)

    clock = Clock()
    writer = BulkMutation(strict, patience(clock))
    assert writer.write(rows(100)) == {77: Code.INVALID_ARGUMENT}
    assert written(fake) == keys(100) - {b"r77"}
    assert clock.slept == []


def test_rows_without_an_answer_are_unknown_and_sent_again():
    fake = FakeBigtable(by_row({b"r4": [Cut(OK, applied=True), OK]}), chunk=1)
    assert bulk(fake)[0].write(rows(8)) == {}
    assert written(fake) == keys(8)
    assert fake.tries[b"r3"] == 1


@pytest.mark.parametrize(
    "code", [Code.UNAVAILABLE, Code.PERMISSION_DENIED, Code.NOT_FOUND, Code.INTERNAL]
)
def test_where_no_row_can_be_written_the_batch_fails_and_refuses_nothing(code):
    with pytest.raises(NothingWrittenError, match=code.name) as raised:
        bulk(FakeBigtable(always(code)))[0].write(rows(5))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "code", [Code.NOT_FOUND, Code.PERMISSION_DENIED, Code.UNAUTHENTICATED, Code.UNIMPLEMENTED]
)
def test_a_request_refused_for_the_tables_sake_fails_at_once(code):
    fake = FakeBigtable(request_script=lambda number: code)
    with pytest.raises(NothingWrittenError, match=code.name):
        bulk(fake)[0].write(rows(5))
    assert len(fake.requests) == 1


def test_a_server_that_goes_down_for_good_fails_the_batch_although_rows_were_written_before():
    fake = FakeBigtable(request_script=lambda number: OK if number < 1 else Code.UNAVAILABLE)
    writer, _ = bulk(fake)
    assert writer.write(rows(3)) == {}
    with pytest.raises(NothingWrittenError, match="UNAVAILABLE"):
        writer.write(rows(3, "later"))


def test_a_server_that_comes_back_within_the_deadline_gets_every_row():
    fake = FakeBigtable(request_script=lambda number: Code.UNAVAILABLE if number < 40 else OK)
    assert bulk(fake)[0].write(rows(30)) == {}
    assert written(fake) == keys(30)


def test_a_family_that_only_some_rows_name_refuses_only_those():
    fake = FakeBigtable(by_row({b"r2": [Code.NOT_FOUND], b"r4": [Code.INTERNAL]}))
    writer, clock = bulk(fake)
    assert writer.write(rows(6)) == {2: Code.NOT_FOUND, 4: Code.INTERNAL}
    assert (fake.tries[b"r2"], fake.tries[b"r4"]) == (1, 4), "what may pass is tried a few times"
    assert clock.now < 1


def test_a_right_that_is_taken_away_fails_the_batch_and_refuses_nothing():
    fake = FakeBigtable(by_row({b"r0": [OK, Code.PERMISSION_DENIED]}))
    writer, _ = bulk(fake)
    assert writer.write(rows(1)) == {}
    fake.script = always(Code.PERMISSION_DENIED)
    with pytest.raises(NothingWrittenError, match="PERMISSION_DENIED: grant"):
        writer.write(rows(3, "later"))


def test_a_batch_that_makes_progress_may_take_longer_than_the_deadline():
    fake, clock = FakeBigtable(chunk=1), Clock()

    def two_answers_a_request(entries, timeout):
        clock.now += 19.0
        for number, answer in enumerate(fake.send(entries, timeout)):
            if number == 2:
                raise FakeRpcError(Code.UNAVAILABLE)
            yield answer

    writer = BulkMutation(two_answers_a_request, patience(clock, deadline=30))
    assert writer.write(rows(9)) == {}
    assert written(fake) == keys(9)
    assert clock.now > 60


def test_a_batch_of_one_bad_row_is_refused_once_the_table_is_known_to_take_writes():
    fake = FakeBigtable(by_row({b"bad0": [Code.NOT_FOUND]}))
    writer, _ = bulk(fake)
    writer.write(rows(1))
    before = dict(fake.rows)
    assert writer.write(rows(1, "bad")) == {0: Code.NOT_FOUND}
    assert fake.rows == before


def test_a_cell_that_a_probe_touches_keeps_its_value():
    fake = FakeBigtable(by_row({b"r1": [Code.NOT_FOUND]}))
    bulk(fake)[0].write(rows(2))
    assert fake.rows[b"r0"] == {("s", b"plan"): {1_000: b"x"}}
    assert len(fake.requests) == 2


STATUSES = st.sampled_from(
    [
        OK,
        Code.UNAVAILABLE,
        Code.RESOURCE_EXHAUSTED,
        Code.INVALID_ARGUMENT,
        Code.INTERNAL,
        Code.NOT_FOUND,
        Cut(),
        Cut(OK, applied=True),
        Cut(Code.INTERNAL, applied=True),
    ]
)


def until_written(steps):
    """A row that was written once is not refused later: what is refused is the row's own doing."""
    return steps[: steps.index(OK) + 1] if OK in steps else steps


@given(
    scripts=st.dictionaries(st.integers(0, 11), st.lists(STATUSES, min_size=1, max_size=4)),
    down=st.sets(st.integers(0, 6)),
    chunk=st.integers(1, 5),
)
def test_whatever_fails_each_row_is_written_or_refused_or_the_batch_fails(scripts, down, chunk):
    named = {f"r{row}".encode(): until_written(steps) for row, steps in scripts.items()}
    fake = FakeBigtable(
        by_row(named),
        request_script=lambda number: Code.UNAVAILABLE if number in down else OK,
        chunk=chunk,
    )
    try:
        refused = bulk(fake)[0].write(rows(12))
    except NothingWrittenError:
        assert down or len(named) == 12, "others could be written"
        return
    assert {f"r{row}".encode() for row in set(range(12)) - refused.keys()} <= written(fake)
    for row in refused:
        assert any(step is not OK for step in named[f"r{row}".encode()]), "a good row was refused"
