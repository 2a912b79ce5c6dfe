"""Rows of archived objects: proven, merged in bounded memory, and written in their order."""

import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import CODECS, BadObjectError, Fault, digest_of, from_avro, to_avro
from schemas.archive_rows import Tally, draft_objects, merge_rows, proven_packs
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from schemas.raw_avro_rows import encoded_rows


def row(time, message_id="", payload=b"", attributes=None, key=""):
    return RawEvent(payload, attributes or {}, message_id, time, key)


ROWS = st.builds(
    row,
    st.integers(0, 9),
    st.sampled_from(["", "a", "b"]),
    st.binary(max_size=3),
    st.dictionaries(st.sampled_from("kl"), st.sampled_from(["", "v"])),
)
OBJECTS = st.lists(st.lists(ROWS, max_size=8), max_size=5)


def spans(objects):
    times = [[row.publish_time for row in rows] or [0] for rows in objects]
    return [(min(each), max(each)) for each in times]


def encoded(row):
    (data,) = encoded_rows(RawPack.of([row]))
    return data


def counted(rows):
    tally = Tally()
    tally.add(RawPack.of(rows))
    return tally


def in_packs(rows, size):
    return [RawPack.of(rows[first : first + size]) for first in range(0, len(rows), size)]


@given(OBJECTS, st.integers(1, 4_000), st.integers(1, 4))
def test_all_rows_are_merged_in_one_order_whatever_fits_into_memory(objects, max_bytes, size):
    def load(place):
        return in_packs(objects[place], size)

    merged = list(merge_rows(spans(objects), load, max_bytes))
    whole = [
        (each.publish_time, each.message_id, place, number, encoded(each))
        for place, rows in enumerate(objects)
        for number, each in enumerate(rows)
    ]
    assert merged == sorted(whole, key=lambda known: known[:4])


def test_no_more_rows_are_kept_than_fit_and_narrow_objects_are_read_about_once():
    objects = [[row(1_000 * n + k, payload=b"x" * 200) for k in range(100)] for n in range(30)]
    loads = [0] * 30

    def load(place):
        loads[place] += 1
        return in_packs(objects[place], 10)

    merged = merge_rows(spans(objects), load, max_bytes=250_000)
    tracemalloc.start()
    assert sum(1 for _ in merged) == 3_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000
    assert max(loads) <= 3
    assert sum(loads) <= 60


def test_rows_of_one_moment_and_without_ids_fit_into_little_memory_too():
    objects = [[row(5, payload=b"%d" % (100 * place + n)) for n in range(50)] for place in range(4)]
    merged = merge_rows(spans(objects), lambda place: in_packs(objects[place], 7), max_bytes=5_000)
    assert [each[4] for each in merged] == [encoded(each) for rows in objects for each in rows]


@given(st.lists(ROWS, max_size=9), st.randoms(), st.integers(1, 4))
def test_a_tally_depends_on_neither_order_nor_packs(rows, dice, size):
    shuffled = list(rows)
    dice.shuffle(shuffled)
    tally = Tally()
    for pack in in_packs(shuffled, size):
        tally.add(pack)
    assert counted(rows) == tally


@given(st.lists(ROWS, max_size=5), st.lists(ROWS, max_size=5))
def test_other_rows_have_another_tally(one, other):
    assert (counted(one) == counted(other)) == (
        sorted(map(shown, one)) == sorted(map(shown, other))
    )


def shown(row):
    return repr(msgspec.structs.replace(row, attributes=dict(sorted(row.attributes.items()))))


def test_a_tally_sees_every_field_and_no_order_of_attributes():
    rows = [row(1), row(2), row(1, "a"), row(1, payload=b"a"), row(1, key="a")]
    rows += [row(1, attributes={"a": ""}), row(1, attributes={"": "a"})]
    assert len({counted([each]).total for each in rows}) == len(rows)
    one, other = row(1, attributes={"a": "1", "b": "2"}), row(1, attributes={"b": "2", "a": "1"})
    assert counted([one]) == counted([other])


def many(count):
    return [row(n, f"id{n}", b"%d" % (n * 7919) * 20) for n in range(count)]


def placed(rows):
    return (
        (each.publish_time, each.message_id, n % 3, n, encoded(each)) for n, each in enumerate(rows)
    )


def rows_of(content, codec):
    pack = from_avro(content, codec)
    return [pack.row(index) for index in range(len(pack))]


@pytest.mark.parametrize("codec", CODECS)
def test_drafts_hold_the_rows_in_order_and_each_but_the_last_has_reached_its_size(codec):
    rows = many(3_000)
    drafts = list(draft_objects(placed(rows), codec, 20_000, b"seed"))
    assert len(drafts) > 1
    contents = [draft.content() for draft in drafts]
    assert all(20_000 <= len(content) < 41_000 for content in contents[:-1])
    read = [rows_of(content, codec) for content in contents]
    assert [each for part in read for each in part] == rows
    for draft, part in zip(drafts, read, strict=True):
        times = part[0].publish_time, part[-1].publish_time
        assert (draft.events, draft.first_publish, draft.last_publish) == (len(part), *times)
        assert draft.places == {time % 3 for time in range(times[0], times[1] + 1)}


@pytest.mark.engine
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [1, 30_000])
def test_the_blocks_are_those_that_the_archive_job_makes_of_the_same_messages(codec, count):
    rows = many(count)
    (draft,) = draft_objects(placed(rows), codec, 100_000_000, b"seed")
    one, other = draft.content(), to_avro(RawPack.of(rows), codec)
    assert one != other
    # The last of what stands between the blocks ends the object.
    assert one.replace(one[-16:], b"") == other.replace(other[-16:], b"")


def test_equal_rows_and_seeds_give_equal_bytes_and_other_seeds_other_ones():
    def contents(seed):
        drafts = draft_objects(placed(many(500)), "zstd", 5_000, seed)
        return [draft.content() for draft in drafts]

    assert contents(b"a") == contents(b"a")
    assert not set(contents(b"a")) & set(contents(b"b"))


def test_objects_of_equal_messages_differ():
    drafts = draft_objects(placed([row(1)] * 9), "null", 1, b"seed")
    assert len({digest_of(draft.content()) for draft in drafts}) == 9


@pytest.mark.parametrize("codec", CODECS)
def test_a_variant_holds_the_same_messages_under_another_digest(codec):
    (draft,) = draft_objects(placed(many(50)), codec, 10**6, b"seed")
    contents = [draft.content(number) for number in range(5)]
    assert len(set(map(digest_of, contents))) == 5
    for content in contents:
        assert rows_of(content, codec) == many(50)


def test_no_rows_make_no_object():
    assert list(draft_objects([], "zstd", 100, b"")) == []
    assert list(merge_rows([], [].__getitem__, 100)) == []


PACK = RawPack.of(RawEvent(b"{}", {}, str(n), n) for n in range(40))
CONTENT = to_avro(PACK, "zstd")
ENTRY = ManifestEntry.of(PACK, CONTENT, "zstd")


def test_a_whole_object_is_read_pack_by_pack():
    assert RawPack.join(proven_packs(ENTRY, CONTENT)) == PACK.take(range(40))


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
    packs = proven_packs(ENTRY, content)
    with pytest.raises(BadObjectError) as raised:
        next(packs)
    assert raised.value.fault == fault


def test_an_entry_that_counts_wrongly_is_found_at_the_end():
    wrong = ManifestEntry.of(PACK.take([0]), CONTENT, "zstd")
    with pytest.raises(BadObjectError, match="holds 40 messages, but the manifest says 1"):
        list(proven_packs(wrong, CONTENT))
