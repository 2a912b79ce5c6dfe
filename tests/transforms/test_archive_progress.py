"""What has been handed on of an archive: each object once, none forgotten, little remembered."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_layout import HOUR
from schemas.manifest import ManifestEntry, Replacement
from transforms.archive_manifest import ArchivedHour
from transforms.archive_progress import Progress, Stillness

START = 20_000 * 24 * HOUR


def an_entry(letter: str, published: int = START) -> ManifestEntry:
    return ManifestEntry(
        digest=letter * 32,
        events=1,
        size=1,
        first_publish=published,
        last_publish=published,
        codec="null",
    )


def an_hour(*entries: ManifestEntry, records=(), start: int = START) -> ArchivedHour:
    return ArchivedHour("events", start, "folder", entries, (), {}, tuple(records))


A, B, C = map(an_entry, "abc")


def test_an_object_is_fresh_once():
    progress = Progress()
    assert progress.fresh(an_hour(A, B)) == [A, B]
    progress = progress.with_handed(START, [A])
    assert progress.fresh(an_hour(A, B)) == [B]
    assert progress.fresh(an_hour(A, start=START + HOUR)) == [A]


def test_what_a_compaction_made_of_objects_that_were_handed_on_is_not_fresh():
    record = Replacement((C.digest,), (A.digest, B.digest))
    both = Progress().with_handed(START, [A, B])
    assert both.fresh(an_hour(C, records=[record])) == []
    one = Progress().with_handed(START, [A])
    assert one.fresh(an_hour(C, records=[record])) == [C]


def test_hours_that_the_marker_has_passed_are_forgotten_and_later_ones_kept():
    later = START + HOUR
    progress = Progress().with_handed(START, [A]).with_handed(later, [B])
    assert progress.after(None) == Progress(progress.settled, progress.handed, 1)
    passed = progress.after(later + HOUR - 1)
    assert (passed.settled, set(passed.handed)) == (later, {later})
    assert passed.after(START).settled == later


@given(st.dictionaries(st.integers(0, 9), st.sets(st.binary(min_size=16, max_size=16))))
def test_the_saved_text_reads_back(handed):
    hours = {START + hour * HOUR: frozenset(digests) for hour, digests in handed.items()}
    progress = Progress(START, hours, 3)
    assert Progress.from_text(progress.to_text()) == progress


def test_an_object_takes_some_twenty_bytes_of_the_saved_text():
    entries = [msgspec.structs.replace(A, digest=f"{n:032x}") for n in range(1_000)]
    assert len(Progress().with_handed(START, entries).to_text()) < 25_000


def test_pauses_grow_until_something_new_comes():
    progress = Progress()
    pauses = []
    for _ in range(20):
        progress = progress.after(None)
        pauses.append(progress.pause(2.0))
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (2.0, 15.0)
    assert progress.with_handed(START, [A]).after(None).pause(2.0) == 2.0
    assert progress.pause(60.0) == 60.0


def test_a_marker_that_stands_is_told_once_a_minute_and_one_that_moves_is_not():
    now = [0.0]
    stillness = Stillness(lambda: now[0])

    def at(second: float, marker: int | None) -> bool:
        now[0] = second
        return stillness.lasts(marker)

    assert not at(0, None)
    assert not at(59, None)
    assert at(60, None)
    assert not at(61, None)
    assert at(120, None)
    assert not at(150, 7)
    assert not at(209, 7)
    assert at(210, 7)
