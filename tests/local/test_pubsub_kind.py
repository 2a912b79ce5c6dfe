"""The Pub/Sub emulator is chosen by what it must be able to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import ServiceError
from local.pubsub_kind import Capability, PubsubKind, chosen_kind


def test_by_default_it_is_the_quick_one():
    assert chosen_kind((), {}) is PubsubKind.GO


def test_the_variable_names_another():
    assert chosen_kind((), {"PENSTOCK_PUBSUB_EMULATOR": "java"}) is PubsubKind.JAVA


def test_a_need_goes_before_the_variable():
    assert chosen_kind([Capability.SEEK], {"PENSTOCK_PUBSUB_EMULATOR": "go"}) is PubsubKind.JAVA
    assert chosen_kind([Capability.FILTER], {"PENSTOCK_PUBSUB_EMULATOR": "java"}) is PubsubKind.GO


@given(st.sets(st.sampled_from(Capability)))
def test_the_chosen_one_can_do_all_that_is_needed_or_none_can(needs):
    able = [kind for kind in PubsubKind if kind.capabilities >= needs]
    if able:
        assert chosen_kind(needs, {}) in able
    else:
        with pytest.raises(ServiceError, match="no Pub/Sub emulator can do all of"):
            chosen_kind(needs, {})


def test_an_unknown_name_is_refused():
    with pytest.raises(ServiceError, match=r"PENSTOCK_PUBSUB_EMULATOR=rust: .*write go or java"):
        chosen_kind((), {"PENSTOCK_PUBSUB_EMULATOR": "rust"})
