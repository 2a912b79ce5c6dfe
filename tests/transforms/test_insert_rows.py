"""Each row of a batch is written or refused, whatever answers come, or nothing can be written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.insert_rows import PROBE, BulkInsert, Fault, InsertFailedError, RowError
from transforms.mutate_rows import NothingWrittenError, Patience

BAD = RowError(True, "invalid: x")
BUSY = RowError(False, "backendError")


class Clock:
    """A clock that only sleeping and sending move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Table:
    """Takes rows as `answer(row, company)` says: None, a RowError, or a Fault of the request."""

    def __init__(self, answer=lambda _row, _company: None, probed=BAD):
        self.answer, self.probed = answer, probed
        self.clock = Clock()
        self.written: list[bytes] = []
        self.requests: list[list[bytes]] = []

    def send(self, rows, timeout):
        assert timeout > 0
        self.clock.now += 0.01
        if rows == [PROBE]:
            answers = [self.probed]
        else:
            self.requests.append(list(rows))
            answers = [self.answer(row, len(rows)) for row in rows]
        for each in answers:
            if isinstance(each, Fault):
                raise InsertFailedError(each, f"failed {each.value}")
        self.written += [row for row, each in zip(rows, answers, strict=True) if each is None]
        return {place: each for place, each in enumerate(answers) if each is not None}

    def bulk(self, deadline=10.0):
        patience = Patience(deadline, 5.0, clock=self.clock, sleep=self.clock.sleep)
        return BulkInsert("p.d.t", self.send, patience)


def batch(count):
    return [b"%d" % number for number in range(count)]


def only(bad, answer):
    return lambda row, _company: answer if row == bad else None


def test_good_rows_of_a_bad_batch_are_written_and_the_bad_one_is_refused():
    table = Table(only(b"3", BAD))
    assert table.bulk().write(batch(10)) == {3: "invalid: x"}
    assert sorted(table.written) == sorted(set(batch(10)) - {b"3"})


def test_rows_that_were_stopped_by_a_bad_one_are_sent_again():
    def stops(row, company):
        if row == b"3":
            return BAD
        return RowError(False, "stopped") if company == 10 else None

    table = Table(stops)
    assert table.bulk().write(batch(10)) == {3: "invalid: x"}
    assert len(table.written) == 9


@pytest.mark.parametrize("fault", [Fault.ROW, Fault.SERVER, Fault.DOWN])
def test_a_row_that_fails_every_request_is_found_and_the_others_are_written(fault):
    table = Table(only(b"77", fault))
    assert table.bulk().write(batch(100)) == {77: f"failed {fault.value}"}
    assert sorted(table.written) == sorted(set(batch(100)) - {b"77"})
    assert len(table.requests) < 150


@pytest.mark.parametrize("answer", [Fault.ROW, Fault.SERVER, Fault.DOWN, BUSY])
def test_a_single_row_that_keeps_failing_is_refused_if_the_table_takes_rows(answer):
    told = answer.told if answer is BUSY else f"failed {answer.value}"
    assert Table(only(b"0", answer)).bulk().write(batch(1)) == {0: told}
    for probed in (Fault.ROW, Fault.DOWN, Fault.QUOTA):
        with pytest.raises(NothingWrittenError, match=r"nothing can be written to p\.d\.t, "):
            Table(only(b"0", answer), probed).bulk().write(batch(1))


def test_a_quota_is_no_rows_fault_however_long_it_lasts():
    for count in (1, 5):
        with pytest.raises(NothingWrittenError, match="failed quota"):
            Table(lambda _row, _company: Fault.QUOTA).bulk().write(batch(count))


@pytest.mark.parametrize("answer", [Fault.QUOTA, Fault.DOWN, Fault.SERVER, Fault.ROW, BUSY])
def test_where_a_table_takes_nothing_no_row_is_blamed(answer):
    table = Table(lambda _row, _company: answer, Fault.DOWN)
    with pytest.raises(NothingWrittenError):
        table.bulk().write(batch(5))
    assert table.clock.now < 30


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.QUOTA])
def test_requests_are_not_cut_where_no_row_is_to_blame(fault):
    table = Table()
    table.answer = lambda *_: fault if len(table.requests) < 4 else None
    bulk = table.bulk()
    assert bulk.write(batch(50)) == {}
    assert [len(request) for request in table.requests] == [50] * 4
    assert bulk.retries == 150


def test_a_row_that_never_ceases_to_fail_is_refused_when_others_were_written():
    table = Table(only(b"2", BUSY))
    assert table.bulk().write(batch(4)) == {2: "backendError"}


@settings(max_examples=80)
@given(st.data(), st.integers(1, 40))
def test_each_row_is_written_or_refused_whatever_comes_in_between(data, count):
    kinds = st.sampled_from(["good", "bad", "poison"])
    kind = {row: data.draw(kinds) for row in batch(count)}
    passing = iter(data.draw(st.lists(st.sampled_from([*Fault, BUSY, None]), max_size=30)))

    def answer(row, _company):
        trouble = next(passing, None)
        if kind[row] == "poison":
            return Fault.ROW
        if trouble is not None and trouble is not Fault.ROW:
            return trouble
        return BAD if kind[row] == "bad" else None

    table = Table(answer)
    refused = table.bulk(deadline=1000.0).write(batch(count))
    good = {row for row in kind if kind[row] == "good"}
    assert {batch(count)[place] for place in refused} == set(kind) - good
    assert set(table.written) == good
    assert len(table.written) == len(good)
