"""The time of a payload that is refused is the last that it has, where that is one."""

import pytest

from schemas.stamps import readable_time

GOOD, BAD = b'"event_timestamp": "1970-01-01T00:00:01Z"', b'"event_timestamp": "soon"'


@pytest.mark.parametrize(
    ("payload", "time"),
    [
        (b"{%b}" % GOOD, 1_000_000),
        (b"{%b, %b}" % (BAD, GOOD), 1_000_000),
        (b"{%b, %b}" % (GOOD, BAD), None),
        (b"{%b, " % GOOD, None),
        (b"{%b, %b" % (BAD, GOOD), None),
        (b'{"event_timestamp": 7}', None),
        (b"{}", None),
        (b"[" * 5_000, None),
    ],
)
def test_the_time_of_a_refused_payload_is_the_last_one_it_has(payload, time):
    assert readable_time(payload) == time
