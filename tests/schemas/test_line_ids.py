"""Ids of lines: as many as lines, in their order, and no two the same."""

from hypothesis import example, given
from hypothesis import strategies as st

from schemas.line_ids import digest_of_file, line_ids

LAST = 2**32 - 2
OFFSETS = st.integers(0, LAST).map(lambda block: block * 65_536)


@example(LAST * 65_536, 1)
@given(OFFSETS, st.integers(0, 1_500))
def test_ids_are_in_order_as_the_lines_are(offset, lines):
    ids = line_ids("f" * 16, offset, lines)
    assert len(ids) == lines
    assert sorted(set(ids)) == ids
    assert max(ids, default="") < line_ids("f" * 16, offset + 65_536, 1)[0]


def test_a_file_is_known_by_its_full_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert digest_of_file("a.ndjson") == digest_of_file(str(tmp_path / "a.ndjson"))
    assert digest_of_file("a.ndjson") != digest_of_file("b/a.ndjson")
    assert digest_of_file("gs://b/a.ndjson") != digest_of_file("gs:/b/a.ndjson")
    assert len(digest_of_file("\udcff.ndjson")) == 16
