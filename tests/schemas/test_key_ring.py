import logging
import pickle

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.drift_fill import DriftFill
from schemas.key_ring import KeyRing, load_key, load_ring
from schemas.packs import EventPack, RawPack
from schemas.pseudonym import PseudonymError, Pseudonymiser, PseudonymKey, check_key, pseudonym
from schemas.times import format_rfc3339, parse_rfc3339
from tests.schemas.any_event import (
    a_contract,
    accepted,
    any_event,
    envelope_with,
    field,
    thing,
    wire,
    write_contract,
)
from transforms.decode import event_of
from transforms.make_rows import Curation, RowMaker
from transforms.reread_events import RereadEvents

OLD, NEW, NEWEST = (
    PseudonymKey.of(text)
    for text in (b"old:0123456789abcdef", b"new:fedcba9876543210", b"last:0f1e2d3c4b5a6978")
)
MARCH = parse_rfc3339("2026-03-01T00:00:00Z")
APRIL = parse_rfc3339("2026-04-01T00:00:00Z")
RING = KeyRing((OLD, NEW, NEWEST), (parse_rfc3339("2026-01-01T00:00:00Z"), MARCH, APRIL))
TEXT = b"""old:0123456789abcdef
# The second of March, an hour east of Greenwich
2026-03-01T01:00:00+01:00 new:fedcba9876543210

2026-04-01T00:00:00Z\tlast:0f1e2d3c4b5a6978
"""


def test_each_key_of_a_ring_is_in_force_until_the_next():
    ring = KeyRing.of(TEXT)
    assert ring.keys == (OLD, NEW, NEWEST)
    assert [ring.at(time) for time in (-1, MARCH - 1, MARCH, APRIL - 1, APRIL, 2**62)] == [
        OLD, OLD, NEW, NEW, NEWEST, NEWEST,
    ]  # fmt: skip


def test_what_was_published_before_the_first_time_is_of_the_first_key():
    assert RING.at(RING.starts[0] - 1) == RING.at(0) == OLD


@pytest.mark.parametrize(
    "text", [b"k1:0123456789abcdef\n", b"0123456789abcdef", b"a secret\nof two\r\nlines\n"]
)
def test_a_text_without_a_time_is_one_key_as_it_ever_was(text):
    ring = KeyRing.of(text)
    assert ring.keys == (PseudonymKey.of(text),)
    assert ring.at(-(2**62)) == ring.at(2**62)


def test_the_line_of_a_key_that_was_alone_stays_the_same_key():
    alone = b"0123456789abcdef with spaces "
    ring = KeyRing.of(alone + b"\r\n2026-03-01T00:00:00Z new:fedcba9876543210\r\n")
    assert ring.keys == (PseudonymKey.of(alone), NEW)


@given(
    st.lists(
        st.sampled_from([b"k1:0123456789abcdef", b"\xef\xbb\xbf", b"#", b" ", b"\r", b"\n", b"a:b"])
    )
)
@example([b"\n", b"k1:0123456789abcdef"])
@example([b"#", b"\n", b"k1:0123456789abcdef"])
@example([b"k1:0123456789abcdef", b"\n", b" "])
@example([b"\xef\xbb\xbf", b"k1:0123456789abcdef"])
def test_a_key_that_is_taken_alone_is_the_same_before_the_time_of_a_version_behind_it(parts):
    try:
        (alone,) = KeyRing.of(b"".join(parts)).keys
        ring = KeyRing.of(b"".join(parts) + b"\n2026-03-01T00:00:00Z new:fedcba9876543210")
    except PseudonymError as error:
        assert str(error).startswith("line ")
    else:
        assert (ring.at(MARCH - 1), ring.at(MARCH)) == (alone, NEW)


def test_a_key_may_come_back():
    ring = KeyRing.of(TEXT + b"2026-04-02T00:00:00Z new:fedcba9876543210")
    assert ring.at(2**62) == NEW


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (b"2026-04-01T00:00:00Z x:planted-secret-planted", "line 6 begins when line 5 does"),
        (b"2026-03-31T00:00:00Z x:planted-secret-planted", "line 6 begins before line 5 does"),
        (b"2027-04-01T00:00:00Z new:planted-secret-planted", "line 6 has the key id of line 3"),
        (b"2027-04-01T00:00:00Z x:fedcba9876543210", "line 6 has the secret of line 3"),
        (b"2027-04-01T00:00:00Z x:planted", "line 6 its secret is shorter than 16 bytes"),
        (b"2027-04-01T00:00:00Z", "line 6 its secret is shorter than 16 bytes"),
        (b"2027-04-01T00:00:00Z  ", "line 6 its secret is shorter than 16 bytes"),
        (b"2027-04-01T00:00:00 x:planted-secret-planted", "line 6 begins with no time"),
        (b"2027-04-01 00:00:00Z x:planted-secret-planted", "line 6 begins with no time"),
        (b"2027-04-31T00:00:00Z x:planted-secret-planted", "line 6 begins with no time"),
        (b"9999-12-31T23:59:59-14:00 x:planted-secret-planted", "line 6 begins with no time"),
        (b"x:planted-secret-planted", "line 6 has no time"),
    ],
)
def test_lines_that_make_no_ring_are_one_line_without_what_they_hold(tmp_path, more, problem):
    (tmp_path / "ring").write_bytes(TEXT + more)
    with pytest.raises(PseudonymError, match=problem) as caught:
        load_ring(str(tmp_path / "ring"))
    told = str(caught.value)
    assert told.startswith(f"pseudonym key {tmp_path / 'ring'}: line 6 ")
    assert "planted" not in told
    assert "\n" not in told


@pytest.mark.parametrize("end", [b"", b"\n", b"\n2027-01-01T00:00:00Z c:0f1e2d3c4b5a6978"])
@pytest.mark.parametrize("name", [b"", b"new:"])
def test_a_version_that_was_put_behind_a_key_without_a_line_break_is_refused(name, end):
    """It would be a single key, of the old id and another secret."""
    glued = b"old:0123456789abcdef2026-03-01T00:00:00Z " + name + b"fedcba9876543210"
    with pytest.raises(PseudonymError, match="line 1 has a time inside"):
        KeyRing.of(glued + end)


@pytest.mark.parametrize("time", [b"", b"2026-3-1T00:00:00Z ", b"20260301T000000Z "])
def test_lines_of_versions_without_one_time_that_can_be_read_are_not_one_key(time):
    with pytest.raises(PseudonymError, match="line 2 has no time"):
        KeyRing.of(b"old:0123456789abcdef\n" + time + b"new:fedcba9876543210\n")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_ring_in_utf_16_is_not_one_key(encoding):
    with pytest.raises(PseudonymError, match="line 1 is in UTF-16"):
        KeyRing.of(("\ufeff" + TEXT.decode()).encode(encoding))


def test_a_ring_is_neither_shown_nor_pickled(tmp_path, caplog):
    (tmp_path / "ring").write_bytes(b"\xef\xbb\xbf  2026-01-01T00:00:00Z " + TEXT)
    with caplog.at_level(logging.DEBUG):
        ring = load_ring(f"file:{tmp_path / 'ring'}")
    assert ring == RING
    assert "0123456789abcdef" not in repr(ring) + caplog.text
    for holder in (ring, Pseudonymiser(load_contracts(None), ring)):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(holder)


def test_who_asks_for_one_key_is_not_given_one_of_several(tmp_path):
    (tmp_path / "ring").write_bytes(TEXT)
    with pytest.raises(PseudonymError, match="holds 3 keys"):
        load_key(str(tmp_path / "ring"))


def test_a_run_that_begins_before_the_first_key_is_refused_at_the_launch(tmp_path):
    contracts = load_contracts(None)
    ring = tmp_path / "ring"
    ring.write_bytes(b"2026-03-01T00:00:00Z new:fedcba9876543210\n")
    check_key(contracts, str(ring), MARCH)
    check_key(contracts, str(ring))
    with pytest.raises(PseudonymError) as caught:
        check_key(contracts, str(ring), MARCH - 1_000_000)
    assert str(caught.value) == (
        f"pseudonym key {ring}: its first key is in force from 2026-03-01T00:00:00Z, and the run "
        "begins 2026-02-28T23:59:59Z; put the key of before on the line above, or take the time of "
        "the first one away"
    )
    ring.write_bytes(TEXT)
    check_key(contracts, str(ring), -(2**62))


@pytest.fixture(scope="module")
def personal(tmp_path_factory):
    """Return contracts, and where the ring is."""
    folder = tmp_path_factory.mktemp("personal")
    (folder / "ring").write_bytes(b"2026-01-01T00:00:00Z " + TEXT)
    page = a_contract(field("page", "string", pii="pseudonymise"), name="page_view")
    write_contract(folder, page, "shop/page_view.avsc")
    write_contract(folder, envelope_with(2, pii="pseudonymise"), "envelope.avsc")
    return load_contracts(str(folder)), str(folder / "ring")


around = st.sampled_from([start + more for start in RING.starts for more in (-1, 0, 1)])
people = st.tuples(st.sampled_from(["ana", "bo", "chi"]), around | st.none(), around)


def packed(given_):
    """Return messages as a source hands them, of (user, publish time, event time)."""
    payloads = [
        wire(
            any_event(
                user_id=user, event_timestamp=format_rfc3339(time), event_details={"page": user}
            )
        )
        for user, _, time in given_
    ]
    known = any(published is not None for _, published, _ in given_)
    return RawPack(payloads, [published for _, published, _ in given_] if known else None)


@settings(max_examples=40, deadline=None)
@given(st.lists(people, min_size=1), st.data())
def test_a_pseudonym_depends_on_value_publish_time_and_ring_alone(personal, given_, data):
    """By every way that events take, in packs of any cut; the event's own time stands in."""
    contracts, ring = personal
    cut = data.draw(st.integers(0, len(given_)))
    reread = RereadEvents(contracts, ring, 1_000_000)
    maker = RowMaker(Curation(contracts, ring, APRIL, max_future=APRIL))
    single, decoder = Pseudonymiser(contracts, ring), Decoder(contracts)
    found = []
    for raw in (packed(given_[:cut]), packed(given_[cut:])):
        none = [b""] * len(raw)
        records = list(reread.records(EventPack(none, none, [0] * len(raw), raw)))
        rows = [msgspec.json.decode(row) for _, row, _ in maker.rows(maker.read(raw)[0])]
        whole = [
            single.apply_to_event(
                event_of(one, accepted(msgspec.json.decode(one.payload), decoder))
            )
            for one in map(raw.row, range(len(raw)))
        ]
        found += zip(
            [(record.user_id, record.event_details.page) for record in records],
            [(row["user_id"], row["event_details"]["page"]) for row in rows],
            [(event.user_id, event.details["page"]) for event in whole],
            strict=True,
        )
    assert found == [
        ((pseudonym(user, RING.at(time if published is None else published)),) * 2,) * 3
        for user, published, time in given_
    ]


@pytest.mark.parametrize("published", [MARCH - 1, MARCH, None])
def test_a_column_is_filled_with_the_pseudonym_that_its_row_would_have(tmp_path, published):
    email = field("email", ["null", "string"], default=None, pii="pseudonymise")
    old = load_contracts(write_contract(tmp_path / "old", a_contract(field("n", "int"))))
    new = load_contracts(write_contract(tmp_path / "new", a_contract(field("n", "int"), email)))
    event = thing(n=1, email="ana") | {"event_timestamp": "2026-02-28T23:59:59Z"}
    raw = RawPack([wire(event)], None if published is None else [published])
    rows = []
    for contracts in (old, new):
        maker = RowMaker(Curation(contracts, RING, APRIL))
        ((_, row, drift),) = maker.rows(maker.read(raw)[0])
        rows.append((msgspec.json.decode(row), drift))
    (row, drift), (wanted, _) = rows
    left = msgspec.json.decode(drift)["drift"]
    filled = DriftFill(new, RING).fill(row, left, wanted["ingest_time"])
    made = msgspec.json.decode(filled)["event_details"]
    assert (
        made
        == wanted["event_details"]
        == {"n": 1, "email": pseudonym("ana", NEW if published == MARCH else OLD)}
    )
