"""Rows of archived objects: proven, merged in bounded memory, and written in their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import CODECS, BadObjectError, Fault, digest_of, read_rows, to_avro
from schemas.archive_rows import Tally, draft_objects, merge_rows, proven_rows
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack


def row(time, message_id="", payload=b"", attributes=None, key=""):
    return {
        "payload": payload,
        "attributes": attributes or {},
        "message_id": message_id,
        "publish_time": time,
        "ordering_key": key,
    }


ROWS = st.builds(
    row,
    st.integers(0, 9),
    st.sampled_from(["", "a", "b"]),
    st.binary(max_size=3),
    st.dictionaries(st.sampled_from("kl"), st.sampled_from(["", "v"])),
)
OBJECTS = st.lists(st.lists(ROWS, max_size=8), max_size=5)


def spans(objects):
    times = [[row["publish_time"] for row in rows] or [0] for rows in objects]
    return [(min(each), max(each)) for each in times]


def counted(rows):
    tally = Tally()
    for each in rows:
        tally.add(each)
    return tally


@given(OBJECTS, st.integers(1, 6_000))
def test_all_rows_are_merged_in_one_order_whatever_fits_into_memory(objects, max_bytes):
    merged = list(merge_rows(spans(objects), objects.__getitem__, max_bytes))
    whole = [
        (each["publish_time"], each["message_id"], place, number, each)
        for place, rows in enumerate(objects)
        for number, each in enumerate(rows)
    ]
    wanted = [(key[2], key[4]) for key in sorted(whole, key=lambda key: key[:4])]
    assert merged == wanted


def test_no_more_rows_are_kept_than_fit_and_narrow_objects_are_read_about_once():
    objects = [[row(1_000 * n + k, payload=b"x" * 200) for k in range(100)] for n in range(30)]
    loads, most, kept = [0] * 30, 0, 0

    class Counted(dict):
        def __init__(self, *given):
            nonlocal kept, most
            super().__init__(*given)
            kept += 1
            most = max(most, kept)

        def __del__(self):
            nonlocal kept
            kept -= 1

    def load(place):
        loads[place] += 1
        return (Counted(each) for each in objects[place])

    count = 0
    for _, _ in merge_rows(spans(objects), load, max_bytes=500_000):
        count += 1
    assert count == 3_000
    assert most <= 500_000 // 1_000 + 10
    assert max(loads) <= 3
    assert sum(loads) <= 60


def test_rows_of_one_moment_and_without_ids_fit_into_little_memory_too():
    objects = [[row(5, payload=b"%d" % (100 * place + n)) for n in range(50)] for place in range(4)]
    merged = list(merge_rows(spans(objects), objects.__getitem__, max_bytes=10_000))
    assert [each for _, each in merged] == [each for rows in objects for each in rows]


@given(st.lists(ROWS, max_size=9), st.randoms())
def test_a_tally_does_not_depend_on_order(rows, dice):
    shuffled = list(rows)
    dice.shuffle(shuffled)
    assert counted(rows) == counted(shuffled)


@given(st.lists(ROWS, max_size=5), st.lists(ROWS, max_size=5))
def test_other_rows_have_another_tally(one, other):
    assert (counted(one) == counted(other)) == (sorted(map(repr, one)) == sorted(map(repr, other)))


def test_a_tally_sees_every_field_and_no_order_of_attributes():
    rows = [row(1), row(2), row(1, "a"), row(1, payload=b"a"), row(1, key="a")]
    rows += [row(1, attributes={"a": ""}), row(1, attributes={"": "a"})]
    assert len({counted([each]).total for each in rows}) == len(rows)
    one, other = row(1, attributes={"a": "1", "b": "2"}), row(1, attributes={"b": "2", "a": "1"})
    assert counted([one]) == counted([other])


def many(count):
    return [(n % 3, row(n, f"id{n}", b"%d" % (n * 7919) * 20)) for n in range(count)]


@pytest.mark.parametrize("codec", CODECS)
def test_drafts_hold_the_rows_in_order_and_each_but_the_last_has_reached_its_size(codec):
    rows = many(3_000)
    drafts = list(draft_objects(iter(rows), codec, 20_000, b"seed"))
    assert len(drafts) > 1
    assert all(20_000 <= len(draft.content) < 41_000 for draft in drafts[:-1])
    read = [list(read_rows(draft.content, codec)) for draft in drafts]
    assert [each for part in read for each in part] == [each for _, each in rows]
    for draft, part in zip(drafts, read, strict=True):
        times = part[0]["publish_time"], part[-1]["publish_time"]
        assert (draft.events, draft.first_publish, draft.last_publish) == (len(part), *times)
        assert draft.places == {time % 3 for time in range(times[0], times[1] + 1)}


def test_equal_rows_and_seeds_give_equal_bytes_and_other_seeds_other_ones():
    def contents(seed):
        return [draft.content for draft in draft_objects(many(500), "zstd", 5_000, seed)]

    assert contents(b"a") == contents(b"a")
    assert not set(contents(b"a")) & set(contents(b"b"))


@pytest.mark.parametrize("codec", CODECS)
def test_a_variant_holds_the_same_messages_under_another_digest(codec):
    (draft,) = draft_objects(many(50), codec, 10**6, b"seed")
    contents = [draft.variant(number) for number in range(5)]
    assert contents[0] == draft.content
    assert len(set(map(digest_of, contents))) == 5
    for content in contents:
        assert list(read_rows(content, codec)) == [each for _, each in many(50)]


def test_no_rows_make_no_object():
    assert list(draft_objects([], "zstd", 100, b"")) == []
    assert list(merge_rows([], [].__getitem__, 100)) == []


PACK = RawPack.of(RawEvent(b"{}", {}, str(n), n) for n in range(40))
CONTENT = to_avro(PACK, "zstd")
ENTRY = ManifestEntry.of(PACK, CONTENT, "zstd")


def test_a_whole_object_is_read_row_by_row():
    assert [each["message_id"] for each in proven_rows(ENTRY, CONTENT)] == PACK.message_ids


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, Fault.MISSING),
        (b"", Fault.EMPTY),
        (b"x", Fault.NOT_AVRO),
        (CONTENT[:-1], Fault.DAMAGED),
        (to_avro(PACK, "deflate"), Fault.WRONG_CODEC),
        (to_avro(PACK.take([1]), "zstd"), Fault.DAMAGED),
    ],
)
def test_of_another_object_no_row_is_read_and_its_fault_is_named(content, fault):
    rows = proven_rows(ENTRY, content)
    with pytest.raises(BadObjectError) as raised:
        next(rows)
    assert raised.value.fault == fault


def test_an_entry_that_counts_wrongly_is_found_at_the_end():
    wrong = ManifestEntry.of(PACK.take([0]), CONTENT, "zstd")
    with pytest.raises(BadObjectError, match="holds 40 messages, but the manifest says 1"):
        list(proven_rows(wrong, CONTENT))
