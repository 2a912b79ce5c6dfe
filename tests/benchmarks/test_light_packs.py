"""Lines become packs as they would one by one, whatever their ids, times and spelling."""

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import google_crc32c
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.bench_distinct_count import CountRows, added, kinds
from benchmarks.light_packs import PackLines
from schemas.packs import EventPack, RawPack
from transforms.survivors import survivors

pytestmark = pytest.mark.engine

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
IDS = st.text(st.characters(codec="utf-8"), max_size=40)
ZONES = st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(
    datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(timezone.utc) | ZONES
)


def spelled(moment, ending, separator):
    """Write a time in the forms that are accepted, whole seconds without their fraction."""
    text = moment.isoformat()
    if ending and text.endswith("+00:00"):
        text = text[:-6] + ending
    return text.replace("T", separator)


TIMES = st.builds(spelled, MOMENTS, st.sampled_from(["", "Z", "z"]), st.sampled_from("Tt "))
DETAILS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | IDS,
    lambda some: st.lists(some, max_size=3) | st.dictionaries(IDS, some, max_size=3),
    max_leaves=4,
)


@st.composite
def lines(draw):
    event = {
        "event_id": draw(IDS),
        "event_type": draw(st.sampled_from(["login", "purchase", "ü\n"])),
        "event_timestamp": draw(TIMES),
        "event_details": draw(DETAILS.filter(_finite)),
    }
    return json.dumps(event, ensure_ascii=draw(st.booleans())).encode()


def _finite(value):
    return "Infinity" not in json.dumps(value) and "NaN" not in json.dumps(value)


def packed(some):
    """Return the packs that come of a bundle of lines in packs."""
    pack_lines = PackLines(kinds)
    pack_lines.setup()
    pack_lines.start_bundle()
    out = [window for pack in some for window in pack_lines.process(RawPack(pack))]
    return [window.value[1] for window in [*out, *pack_lines.finish_bundle()]]


def in_packs(some, borders):
    cuts = sorted({min(border, len(some)) for border in borders} | {0, len(some)})
    return [some[a:b] for a, b in pairwise(cuts)]


def plain(line):
    """Read a line by another decoder."""
    event = json.loads(line)
    text = event["event_timestamp"].upper()
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    second = (moment - EPOCH) // timedelta(seconds=1)
    checksum = google_crc32c.value(line).to_bytes(4, "big")
    return event["event_id"], event["event_type"].encode(), second * 1_000_000, checksum


@given(st.lists(lines(), max_size=6), st.lists(st.integers(0, 6)))
def test_a_row_tells_type_time_and_checksum_of_its_line(some, borders):
    [pack] = packed(in_packs(some, borders))
    rows = [plain(line) for line in some]
    assert pack.raw.payloads == [kind for _, kind, _, _ in rows]
    assert pack.event_times == [time for _, _, time, _ in rows]
    assert pack.contents == [checksum for *_, checksum in rows]
    assert set(map(len, pack.ids)) <= {16}


@given(st.lists(lines(), max_size=6), st.lists(st.integers(0, 6)))
def test_rows_have_the_same_digest_where_lines_have_the_same_id(some, borders):
    [pack] = packed(in_packs(some, borders))
    ids = [plain(line)[0] for line in some]
    assert [[a == b for b in pack.ids] for a in pack.ids] == [[a == b for b in ids] for a in ids]


@given(
    st.binary(max_size=30)
    | st.sampled_from(
        [b"{}", b"[]", b"NaN", b'{"event_id":"a","event_type":"b","event_timestamp":NaN}']
    ),
    st.lists(lines(), max_size=2),
)
@example(b'{"event_id":"a","event_type":"b","event_timestamp":"2026-01-01T00:00:00"}', [])
@example(b'{"event_id":"a","event_type":"b","event_timestamp":"2026-01-01T00:00:60Z"}', [])
def test_a_line_that_is_no_event_is_an_error_wherever_it_stands(broken, others):
    with pytest.raises(msgspec.DecodeError):
        packed([[*others, broken]])


def test_of_a_key_that_is_there_twice_the_last_counts():
    line = (
        b'{"event_id":"a","event_id":"b","event_type":"x","event_timestamp":"2026-01-01T00:00:00Z"}'
    )
    other = b'{"event_type":"x","event_id":"\\u0062","event_timestamp":"2026-01-01T00:00:00Z"}'
    [pack] = packed([[line, other]])
    assert pack.ids[0] == pack.ids[1]
    assert pack.contents[0] != pack.contents[1]


@given(st.lists(lines(), max_size=8), st.lists(st.integers(0, 8)), st.randoms())
def test_copies_and_conflicts_are_told_apart_by_the_bytes_of_a_line(some, borders, random):
    twice = random.sample([*some, *some], 2 * len(some))
    [pack] = packed(in_packs(twice, borders))
    [(_, verdict)] = survivors([pack])
    ids = {plain(line)[0] for line in some}
    assert len(verdict.unique) == len(ids)
    kept = {plain(twice[row])[0]: twice[row] for row in verdict.unique}
    assert all(twice[row] == kept[plain(twice[row])[0]] for row in verdict.duplicates)
    assert all(twice[row] != kept[plain(twice[row])[0]] for row in verdict.conflicts)


def test_packs_are_closed_when_they_are_full(monkeypatch):
    monkeypatch.setattr("benchmarks.light_packs._MAX_ROWS", 3)
    line = b'{"event_id":"a","event_type":"x","event_timestamp":"2026-01-01T00:00:00Z"}'
    assert [len(pack) for pack in packed([[line] * 2] * 3)] == [4, 2]


COUNTS = st.lists(st.dictionaries(st.integers(0, 3), st.integers(1, 9)))


@given(COUNTS, st.lists(st.integers(0, 9)), st.randoms())
def test_counts_add_up_the_same_for_every_order_and_split(some, borders, random):
    shuffled = random.sample(some, len(some))
    assert added(map(added, in_packs(shuffled, borders))) == added(some)
    total = Counter(minute for each in some for minute in Counter(each).elements())
    assert added(some) == total


@given(st.lists(st.tuples(st.sampled_from([b"x", b"y|1"]), st.integers(-(10**9), 10**9))))
def test_rows_are_counted_by_payload_and_minute(rows):
    counting = CountRows()
    counting.start_bundle()
    raw = RawPack([payload for payload, _ in rows])
    counting.process(EventPack([b""] * len(rows), [], [time for _, time in rows], raw))
    found = dict(window.value for window in counting.finish_bundle())
    expected = Counter((payload, time // 60_000_000) for payload, time in rows)
    assert {(p, m): n for p, each in found.items() for m, n in each.items()} == expected
