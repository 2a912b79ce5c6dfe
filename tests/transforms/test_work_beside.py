"""Work beside a bundle ends before the bundle does, in order, and fails it where it fails."""

import threading

import pytest

from transforms.work_beside import WorkBeside


@pytest.fixture
def beside():
    work = WorkBeside(2)
    yield work
    work.close()


def test_results_come_back_in_the_order_of_the_calls(beside):
    found = [result for n in range(20) for result in beside.put(lambda n=n: n)]
    assert found == list(range(18))
    assert [*found, *beside.drain()] == list(range(20))


def test_calls_are_made_in_another_thread(beside):
    assert [*beside.put(threading.get_ident), *beside.drain()] != [threading.get_ident()]


def test_what_a_call_raises_is_raised_at_the_end_of_the_bundle(beside):
    assert list(beside.put(lambda: 1 // 0)) == []
    with pytest.raises(ZeroDivisionError):
        list(beside.drain())


def test_a_new_bundle_knows_nothing_of_one_that_failed(beside):
    assert list(beside.put(lambda: 1 // 0)) == []
    beside.begin()
    assert [*beside.put(lambda: 7), *beside.drain()] == [7]


def test_calls_are_made_at_a_time_by_as_many_threads_and_still_come_back_in_order():
    work = WorkBeside(2, threads=2)
    meet = threading.Barrier(2, timeout=10)
    begun = [
        *work.put(lambda: (meet.wait(), "first")[1]),
        *work.put(lambda: (meet.wait(), "then")[1]),
    ]
    assert [*begun, *work.drain()] == ["first", "then"]
    work.close()
