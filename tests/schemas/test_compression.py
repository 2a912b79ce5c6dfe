import gzip
import zlib

import pytest

from schemas.decoder import Decoder
from schemas.events import RawEvent
from schemas.rejected import Reason
from tests.schemas.any_event import (
    SHIPPED,
    accepted,
    any_event,
    refused,
    wire,
)

# Without the time: parallel workers must give their tests the same names.
WHOLE = gzip.compress(b"{}", mtime=0)


def test_gzip_is_undone_whatever_the_case_of_its_name():
    for name in ("gzip", "GZIP", "x-gzip", " Gzip "):
        raw = RawEvent(gzip.compress(wire(any_event())), {"content-encoding": name})
        assert accepted(raw)[0].event_id == "e-1"
    for name in ("", "identity", "utf-8"):
        assert accepted(RawEvent(wire(any_event()), {"content-encoding": name}))


def test_a_bomb_is_refused_without_being_inflated():
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    raw = RawEvent(bomb, {"content-encoding": "gzip"})
    assert refused(raw, Decoder(SHIPPED)).reason is Reason.PAYLOAD_TOO_LARGE
    members = RawEvent(gzip.compress(b" " * 600_000) * 2, {"content-encoding": "gzip"})
    assert refused(members).reason is Reason.PAYLOAD_TOO_LARGE


def test_members_of_a_gzip_stream_are_joined():
    text = wire(any_event())
    raw = RawEvent(
        gzip.compress(text[:50]) + gzip.compress(text[50:]), {"content-encoding": "gzip"}
    )
    assert accepted(raw)[0].event_id == "e-1"


@pytest.mark.parametrize(
    "broken",
    [
        WHOLE[:-1],
        WHOLE[:5],
        WHOLE + b"rest",
        WHOLE[:-8] + bytes(8),
        zlib.compress(b"{}"),
        b"{}",
        b"\0",
    ],
)
def test_a_broken_gzip_stream_is_bad_compression(broken):
    found = refused(RawEvent(broken, {"content-encoding": "gzip"}))
    assert found.reason is Reason.BAD_COMPRESSION


def test_gzip_of_nothing_is_empty():
    for payload in (b"", gzip.compress(b"")):
        assert (
            refused(RawEvent(payload, {"content-encoding": "gzip"})).reason is Reason.EMPTY_PAYLOAD
        )
