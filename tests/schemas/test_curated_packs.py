"""Events travel beside their rows, and lose neither."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.curated_packs import NO_TABLE, CuratedPack, compressed, encoded, unseal
from schemas.packs import RawPack

ROWS = st.lists(
    st.tuples(st.binary(min_size=16, max_size=16), st.integers(NO_TABLE, 3), st.binary()),
    max_size=8,
)


def pack_of(rows, drifted=True):
    ids, tables, values = (list(column) for column in zip(*rows, strict=True)) if rows else [[]] * 3
    raw = RawPack(values, list(range(len(rows))))
    times = list(range(len(rows)))
    return CuratedPack(ids, ids, times, raw, 5, tables, values, values if drifted else None)


@given(ROWS, st.booleans())
def test_a_pack_is_the_same_behind_a_shuffle(rows, drifted):
    pack = pack_of(rows, drifted)
    assert unseal(compressed(encoded(pack))) == pack


@given(ROWS, st.booleans(), st.data())
def test_to_leave_events_out_is_to_take_the_others_with_their_rows(rows, drifted, data):
    pack = pack_of(rows, drifted)
    gone = data.draw(st.sets(st.sampled_from(range(len(rows))))) if rows else set()
    kept = [place for place in range(len(rows)) if place not in gone]
    wanted = pack_of([rows[place] for place in kept], drifted)
    left = pack.without(sorted(gone))
    assert left == pack.take(kept)
    assert (left.ids, left.tables, left.rows) == (wanted.ids, wanted.tables, wanted.rows)
    assert left.drifts == wanted.drifts
    assert left.raw.payloads == wanted.raw.payloads


def test_the_estimate_counts_rows_and_messages():
    pack = pack_of([(bytes(16), 1, b"x" * 1_000)])
    assert 2_000 < pack.estimated_bytes() < 2_200
