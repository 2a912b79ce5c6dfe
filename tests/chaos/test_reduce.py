"""Tests of the reduction of failures."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.case import Case, Fault, Published
from chaos.kinds import Kind
from chaos.reduce import reduced, smallest


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 39), max_size=6), st.integers(40, 60))
def test_what_is_needed_to_fail_is_found_and_nothing_beside_it(needed, size):
    assert smallest(range(size), lambda some: needed <= set(some)) == sorted(needed)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.integers(0, 19), min_size=1, max_size=4), min_size=1, max_size=3))
def test_no_single_item_can_be_left_out_of_the_smallest_form(reasons):
    def fails(some):
        return any(reason <= set(some) for reason in reasons)

    found = smallest(range(20), fails)
    assert fails(found)
    assert not any(fails([*found[:place], *found[place + 1 :]]) for place in range(len(found)))


def test_the_tries_are_bounded_and_what_is_left_then_still_fails():
    tried = []

    def fails(some):
        tried.append(some)
        return {3, 90} <= set(some)

    assert fails(smallest(range(100), fails, tries=7))
    assert len(tried) <= 10


@pytest.fixture
def case():
    messages = tuple(Published(f"m{n}", n, b"{}", {}) for n in range(30))
    faults = tuple(Fault("hot", kind, 3, 1) for kind in (Kind.BURST_429, Kind.REDELIVERY) * 4)
    return Case(1, 0, messages, faults, (Kind.HOT_KEY,), leaps=True, drains=True, on_disk=True)


def test_a_case_keeps_the_messages_and_faults_that_it_fails_with(case):
    def fails(other):
        kinds = {fault.kind for fault in other.faults}
        return Kind.REDELIVERY in kinds and {"m4", "m20"} <= {m.message_id for m in other.messages}

    small = reduced(case, fails)
    assert [message.message_id for message in small.messages] == ["m4", "m20"]
    assert [fault.kind for fault in small.faults] == [Kind.REDELIVERY]
    assert not (small.leaps or small.drains or small.on_disk)


def test_a_case_is_read_back_from_its_text_as_it_was(case):
    assert Case.of_json(case.to_json()) == case
    with pytest.raises(ValueError, match="no case"):
        Case.of_json('{"seed": 1}')
