"""A file that holds no record is told by a line of ours, and never by its content."""

import pytest

from schemas.completeness import Completeness
from schemas.record_file import read_record

PROBLEM = "no record of that kind; move it away"


def test_what_is_a_record_is_read():
    assert read_record(b'{"complete_to": 7}', Completeness, PROBLEM) == Completeness(7)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"complete_to": "ana@example.com"}', b"[1]", b"{}"]
)
def test_whatever_is_none_is_the_problem_and_no_word_of_the_content(content):
    with pytest.raises(ValueError, match=PROBLEM) as raised:
        read_record(content, Completeness, PROBLEM)
    assert str(raised.value) == PROBLEM
    assert raised.value.__cause__ is None
