"""The name of an entry tells all that planning needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import CODECS
from schemas.archive_layout import hour_folder, parse_hour_folder, source_folder
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.manifest import ManifestEntry, parse_name

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
def test_an_entry_is_read_back_from_its_name_and_from_its_file(entry):
    assert parse_name(entry.name) == (entry, False)
    assert ManifestEntry.from_json(entry.to_json()) == entry
    assert len(entry.name) < 240
    assert "/" not in entry.name


@given(ENTRIES, ENTRIES)
def test_entries_that_differ_have_other_names(one, other):
    assert (one.name == other.name) == (one == other)


def test_the_name_of_a_compacted_entry_says_that_its_file_tells_more():
    entry = ManifestEntry(
        **{**{f: getattr(ENTRY, f) for f in ENTRY.__struct_fields__}, "replaces": ("1" * 32,)}
    )
    named = parse_name(entry.name)
    assert named is not None
    assert named.is_compacted
    assert named.entry == ENTRY
    assert ManifestEntry.from_json(entry.to_json()).replaces == ("1" * 32,)


@pytest.mark.parametrize(
    "name",
    [
        ENTRY.object_name,
        "",
        "readme.entry.json",
        ENTRY.name.replace("zstd", "lz4"),
        ENTRY.name + ".part",
        ENTRY.name.replace("-x-x", "-x"),
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
