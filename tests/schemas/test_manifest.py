"""The name of an entry tells all that planning needs."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import CODECS
from schemas.archive_layout import (
    hour_folder,
    parse_hour_folder,
    parse_source_folder,
    source_folder,
    source_problem,
)
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.manifest import ManifestEntry, Replacement, parse_name, view

TIMES = st.integers(MIN_MICROS, MAX_MICROS)
ENTRIES = st.builds(
    ManifestEntry,
    digest=st.binary(min_size=16, max_size=16).map(bytes.hex),
    events=st.integers(1, 2**40),
    size=st.integers(1, 2**50),
    first_publish=TIMES,
    last_publish=TIMES,
    first_event=st.none() | TIMES,
    last_event=st.none() | TIMES,
    codec=st.sampled_from(sorted(CODECS)),
)
ENTRY = ManifestEntry(
    digest="0" * 32, events=2, size=9, first_publish=5, last_publish=7, codec="zstd"
)


@given(ENTRIES)
def test_an_entry_is_read_back_from_its_name(entry):
    assert parse_name(entry.name) == entry
    assert msgspec.json.decode(entry.to_json(), type=ManifestEntry) == entry
    assert len(entry.name) < 240
    assert "/" not in entry.name


@given(ENTRIES, ENTRIES)
def test_entries_that_differ_have_other_names(one, other):
    assert (one.name == other.name) == (one == other)


@pytest.mark.parametrize(
    "name",
    [
        ENTRY.object_name,
        "",
        "readme.entry.json",
        ENTRY.name.replace("zstd", "lz4"),
        ENTRY.name + ".part",
        ENTRY.name.replace("-x-x", "-x"),
        ENTRY.name.replace(".2-", ".n2-"),
        ENTRY.name.replace(".2-", ".\u0662-"),
        f".{ENTRY.name}.0a1b2c3d.part",
    ],
)
def test_other_files_are_no_entries(name):
    assert parse_name(name) is None


SOURCES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(SOURCES, st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_an_hours_folder_is_read_back(source, time):
    found = parse_hour_folder(hour_folder(source, time))
    assert found == (source, time - time % 3_600_000_000)


@given(SOURCES, SOURCES)
def test_two_sources_never_share_a_folder(one, other):
    assert (source_folder(one) == source_folder(other)) == (one == other)
    assert source_folder(one).count("/") == 0


@pytest.mark.parametrize(
    "folder",
    ["", "source=a/dt=2026-01-01", "source=a/dt=2026-13-01/hr=00", "source=a/dt=2026-01-01/hr=24"],
)
def test_other_folders_are_no_hours(folder):
    assert parse_hour_folder(folder) is None


def test_a_time_without_a_date_has_no_folder():
    with pytest.raises(ValueError, match="not in the years 1 to 9999"):
        hour_folder("a", 2**62)


@given(SOURCES)
def test_a_sources_folder_is_read_back(source):
    assert parse_source_folder(source_folder(source)) == source


@pytest.mark.parametrize("source", ["", "\udcff", "x" * 201])
def test_a_source_that_cannot_be_a_folder_is_told_why(source):
    assert source_problem(source)


def entry(digit: str, **fields) -> ManifestEntry:
    return msgspec.structs.replace(ENTRY, digest=digit * 32, **fields)


def record(outputs: str, replaces: str) -> Replacement:
    return Replacement(*(tuple(digit * 32 for digit in given) for given in (outputs, replaces)))


def names(entries) -> str:
    return "".join(sorted(each.digest[0] for each in entries))


@pytest.mark.parametrize(
    ("entries", "records", "current"),
    [
        ("ab", [], "ab"),
        ("abc", [record("c", "ab")], "c"),
        ("ab", [record("c", "ab")], "ab"),
        ("abc", [record("cd", "ab")], "abc"),
        ("abcd", [record("c", "ab"), record("d", "ab")], "cd"),
        ("abcd", [record("c", "ab"), record("d", "abc")], "d"),
        ("acd", [record("c", "ab"), record("d", "abc")], "d"),
        ("ad", [record("c", "ab"), record("d", "abc")], "d"),
        ("ad", [record("c", "ab"), record("d", "c")], "d"),
        ("abd", [record("c", "ab"), record("d", "ce")], "d"),
        ("ad", [record("cx", "ab"), record("d", "c")], "ad"),
        ("ae", [record("c", "a"), record("d", "c"), record("e", "d")], "e"),
        ("ab", [record("a", "ab")], "a"),
        ("ab", [record("b", "a"), record("a", "b")], "ab"),
        ("abc", [record("b", "a"), record("a", "b"), record("a", "c")], "ab"),
        ("ab", [record("", "ab")], "ab"),
    ],
)
def test_the_view_of_an_hour_never_loses_what_half_a_compaction_replaces(entries, records, current):
    seen = view([entry(digit) for digit in entries], records)
    assert names(seen.current) == current
    assert names(seen.replaced) == "".join(sorted(set(entries) - set(current)))


def test_of_two_entries_of_one_object_the_one_that_knows_least_counts():
    known, unknown = entry("a", first_event=1, last_event=2), entry("a")
    assert view([known, unknown], []).current == (unknown,)
    assert view([unknown, known], []).current == (unknown,)


DIGITS = st.text("abcdef", max_size=6).map(lambda text: "".join(sorted(set(text))))


@given(DIGITS, st.lists(st.builds(record, DIGITS, DIGITS), max_size=5))
def test_what_is_replaced_is_stood_for_by_an_object_that_counts(entries, records):
    seen = view([entry(digit) for digit in entries], records)
    there = {each.digest for each in seen.current}
    # As often as the longest chain: what all its outputs are there for is there itself.
    for _ in range(len("abcdef")):
        for each in records:
            if each.outputs and there.issuperset(each.outputs):
                there.update(each.replaces)
    assert there.issuperset(each.digest for each in seen.replaced)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"\xff":1}', b'{"outputs":["\xff"]}'])
def test_a_file_that_is_no_record_of_a_compaction_is_told_by_one_error(content):
    with pytest.raises(msgspec.DecodeError):
        Replacement.from_json(content)
