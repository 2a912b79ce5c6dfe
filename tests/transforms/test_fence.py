from hypothesis import given
from hypothesis import strategies as st

from transforms.fence import Fence

ATTEMPTS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["commit", "lose", "crash"])), max_size=40
)


def test_a_copy_is_given_out_once():
    fence = Fence()
    nonce = fence.put(1, "copy")
    assert fence.take(1, nonce) == "copy"
    assert fence.take(1, nonce) is None


def test_a_copy_of_another_version_is_dropped():
    fence = Fence()
    nonce = fence.put(1, "copy")
    assert fence.take(1, b"other") is None
    assert fence.take(1, nonce) is None


def test_a_copy_is_not_given_out_where_nothing_was_saved():
    fence = Fence()
    fence.put(1, "copy")
    assert fence.take(1, None) is None


def test_shards_do_not_see_each_other():
    fence = Fence()
    nonce = fence.put(1, "copy")
    assert fence.take(2, nonce) is None
    assert fence.take(1, nonce) == "copy"


@given(ATTEMPTS)
def test_what_is_taken_is_always_what_was_committed_last(attempts):
    """`lose`: the commit failed when all was done; `crash`: an exception while it was worked on."""
    fence, saved = Fence(), {}
    for number, (shard, ending) in enumerate(attempts):
        nonce, committed = saved.get(shard, (None, []))
        held = fence.take(shard, nonce)
        assert held in (None, committed)
        changed = (list(committed) if held is None else held) + [number]
        if ending == "crash":
            continue
        after = fence.put(shard, changed)
        if ending == "commit":
            saved[shard] = (after, list(changed))
