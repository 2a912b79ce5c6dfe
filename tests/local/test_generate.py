"""The generator: the same plan gives the same bytes, and every message is what its label says."""

import gzip
import hashlib
from collections import Counter, defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.chance import Chance, Zipf
from local.faults import BROKEN, zipped
from local.generate import generate, write_lines
from local.plan import DAY, HOUR, MINUTE, Faults, Plan
from schemas.content import content_digest
from schemas.contract import load_contracts
from schemas.decoder import Decoder, Refusal
from schemas.events import RawEvent
from tests.local.own_contracts import own_contracts

SHIPPED = load_contracts()
LIVE = Plan(
    3_000, seed=5, span=2 * HOUR, publish_span=MINUTE, horizon=6 * HOUR, lines=False, clocked=True
)
HEAVY = Faults(0.1, 0.2, 0.2, 0.02, 0.02, 0.05, 0.1, 0.2)


def messages(plan, contracts=SHIPPED):
    return list(generate(plan, contracts))


def verdicts(found, contracts=SHIPPED):
    """Return (what the decoder says, the label) of each message, as far as decoding can tell."""
    decoder = Decoder(contracts)
    for message in found:
        raw = RawEvent(message.payload, message.attributes, "", message.publish_time)
        read = decoder.decode(raw, None)
        said = f"rejected.{read.reason.value}" if isinstance(read, Refusal) else "accepted"
        yield said, message.label if message.label.startswith("rejected") else "accepted"


def parsed(message):
    zipped_one = "content-encoding" in message.attributes
    return msgspec.json.decode(gzip.decompress(message.payload) if zipped_one else message.payload)


def test_the_same_seed_gives_the_same_messages_and_another_seed_others():
    assert messages(LIVE) == messages(LIVE)
    one, other = messages(Plan(500, seed=5)), messages(Plan(500, seed=6))
    assert not {m.payload for m in one} & {m.payload for m in other if len(m.payload) > 100}


def test_the_bytes_are_the_same_on_every_machine(tmp_path):
    digest = hashlib.sha256()
    plan = Plan(2_000, seed=9, lines=False, faults=HEAVY)
    for message in generate(plan, own_contracts(tmp_path)):
        digest.update(repr(message[:5]).encode())
    assert digest.hexdigest() == "03ca3c2a7318794e7a1153fd38d0d6b5a82ae1a8d456852e941563df5045bfdb"


def test_exactly_the_asked_number_is_published_in_order_over_the_span():
    found = messages(Plan(5_000, span=3 * DAY))
    times = [message.publish_time for message in found]
    assert len(found) == 5_000
    assert times == sorted(times)
    assert 0.7 * 3 * DAY < times[-1] - times[0] < 1.3 * 3 * DAY


@pytest.mark.parametrize("plan", [Plan(3_000, seed=2, faults=HEAVY), LIVE], ids=["lines", "live"])
def test_the_decoder_says_of_every_message_what_its_label_says(plan):
    assert [pair for pair in verdicts(messages(plan)) if pair[0] != pair[1]] == []


def test_any_set_of_contracts_can_be_generated_from(tmp_path):
    contracts = own_contracts(tmp_path)
    found = messages(Plan(1_500, faults=HEAVY, lines=False), contracts)
    assert [pair for pair in verdicts(found, contracts) if pair[0] != pair[1]] == []
    assert {m.event["event_type"] for m in found if m.event} == {"measured", "guessed"}


def test_every_reason_of_decoding_occurs():
    plan = Plan(4_000, lines=False, faults=HEAVY)
    reasons = {m.label.partition(".")[2] for m in messages(plan) if m.label.startswith("rejected")}
    assert reasons == set(BROKEN)


def test_lines_are_never_blank_and_hold_no_line_end(tmp_path):
    plan = Plan(3_000, faults=HEAVY)
    found = messages(plan)
    assert not [m for m in found if b"\n" in m.payload or b"\r" in m.payload or m.attributes]
    path = tmp_path / "events.ndjson"
    assert write_lines(iter(found), path) == 3_000
    assert path.read_bytes().split(b"\n") == [*(m.payload for m in found), b""]


def test_the_default_rates_are_kept():
    count = Counter(message.label for message in generate(Plan(20_000), SHIPPED))
    events = count["event"] + count["late"]
    assert 0.015 < count["duplicate"] / events < 0.025
    assert 0.035 < count["late"] / events < 0.065
    assert 0.0003 < count["conflict"] / events < 0.002


def test_a_perfect_world_has_events_only_each_under_its_own_id():
    found = messages(Plan(2_000, faults=Faults.none()))
    assert {message.label for message in found} == {"event"}
    assert len({message.event["event_id"] for message in found}) == 2_000
    assert [msgspec.json.decode(m.payload) for m in found] == [m.event for m in found]


@pytest.mark.parametrize("plan", [Plan(4_000, faults=HEAVY), LIVE], ids=["own pace", "squeezed"])
def test_late_means_older_than_the_horizon_when_published(plan):
    ages = defaultdict(list)
    for message in messages(plan):
        ages[message.label].append(message.publish_time - message.time)
    assert min(ages["late"]) > plan.horizon + 10 * MINUTE
    assert max(ages["event"]) < plan.horizon


def test_no_late_event_shares_its_millisecond_with_another_event():
    found = messages(Plan(6_000, faults=HEAVY))
    late = [m.time // 1_000 for m in found if m.label == "late"]
    others = {m.time // 1_000 for m in found if m.label in ("event", "conflict")}
    assert len(set(late)) == len(late)
    assert not others & set(late)


def test_some_events_share_a_millisecond_so_that_the_id_has_to_decide():
    found = messages(Plan(3_000, faults=Faults.none()))
    seen = Counter((m.event["user_id"], m.time // 1_000) for m in found)
    assert max(seen.values()) > 1


def test_a_duplicate_comes_after_its_original_with_the_same_content():
    decoder, first, spellings = Decoder(SHIPPED), {}, Counter()
    plan = Plan(3_000, lines=False, faults=Faults(duplicate=0.3, conflict=0, broken=0))
    for message in messages(plan):
        record = decoder.decode(RawEvent(message.payload, message.attributes), None)
        payload, digest = first.setdefault(
            record.event_id, (message.payload, content_digest(record))
        )
        assert content_digest(record) == digest
        if message.label == "duplicate":
            spellings[message.payload == payload] += 1
        else:
            assert first[record.event_id][0] is message.payload
    assert min(spellings[True], spellings[False]) > 100


def test_rivals_share_an_id_and_nothing_else_tells_of_their_users():
    found = messages(Plan(4_000, faults=HEAVY))
    rivals = defaultdict(list)
    for message in found:
        if message.rival:
            rivals[message.event["event_id"]].append(message)
    pairs = [pair for pair in rivals.values() if len(pair) == 2]
    assert len(pairs) > 20
    assert all([m.label for m in pair] == ["event", "conflict"] for pair in pairs)
    assert all(pair[0].event != pair[1].event for pair in pairs)
    users = {m.event["user_id"] for pair in pairs for m in pair}
    assert not users & {m.event["user_id"] for m in found if m.event and not m.rival}


def test_a_lesson_is_started_before_it_is_completed_and_a_refund_follows_its_purchase():
    began = {"lesson_completed": "lesson_started", "refund": "purchase"}
    named = {"lesson_completed": ("lesson_id", "course_id")}
    found = messages(Plan(8_000, faults=Faults.none()))
    firsts = {}
    for message in found:
        details = message.event["event_details"]
        for names in (("lesson_id", "course_id"), ("order_id", "amount_minor", "currency")):
            key = (message.event["user_id"], message.event["event_type"])
            key += tuple(details.get(name) for name in names)
            firsts[key] = min(firsts.get(key, message.time // 1_000), message.time // 1_000)
    checked = Counter()
    for message in found:
        kind, details = message.event["event_type"], message.event["event_details"]
        if kind in began:
            names = named.get(kind, ("order_id", "amount_minor", "currency"))
            key = (message.event["user_id"], began[kind], *(details[name] for name in names))
            assert firsts[key] <= message.time // 1_000
            checked[kind] += 1
    assert min(checked["lesson_completed"], checked["refund"]) > 5


def test_a_session_is_of_one_user():
    users = defaultdict(set)
    for message in messages(Plan(3_000)):
        if message.event and message.event["session_id"]:
            users[message.event["session_id"]].add(message.event["user_id"])
    assert {len(found) for found in users.values()} == {1}


def test_nobody_signs_up_twice_or_after_something_else():
    seen = set()
    signups = 0
    for message in sorted(messages(Plan(6_000, faults=Faults.none())), key=lambda m: m.time):
        user = message.event["user_id"]
        if message.event["event_type"] == "signup" and user is not None:
            signups += 1
            assert user not in seen
        seen.add(user)
    assert signups > 10


def test_few_users_do_most():
    count = Counter(m.event["user_id"] for m in messages(Plan(6_000, faults=Faults.none())))
    assert sum(n for _, n in count.most_common(15)) > 0.4 * 6_000


def test_session_ids_are_sometimes_null_and_fields_sometimes_absent():
    found = messages(Plan(2_000, faults=Faults.none()))
    assert 0.01 < sum(m.event["session_id"] is None for m in found) / 2_000 < 0.12
    views = [m.event["event_details"] for m in found if m.event["event_type"] == "page_view"]
    assert {"duration_ms" in view for view in views} == {True, False}
    assert None in {view.get("duration_ms") for view in views if "duration_ms" in view}


def test_unknown_fields_are_carried_and_compressed_payloads_inflate():
    found = messages(Plan(3_000, lines=False, faults=HEAVY))
    texts = [parsed(m) for m in found if m.label == "event"]
    assert any(name.startswith("x_") for text in texts for name in text)
    assert any(name.startswith("x_") for text in texts for name in text["event_details"])
    assert texts == [m.event for m in found if m.label == "event"]
    assert any(m.attributes for m in found if m.label == "event")


@given(st.binary(max_size=5_000))
@settings(max_examples=50)
def test_stored_gzip_is_read_by_the_library(payload):
    assert gzip.decompress(zipped(payload)) == payload


@given(st.integers(1, 500), st.integers(0, 2**63))
@settings(max_examples=50)
def test_ranks_are_within_the_population(ranks, seed):
    zipf, chance = Zipf(ranks), Chance(seed)
    assert all(0 <= zipf.draw(chance) < ranks for _ in range(20))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"events": 0}, "events=0"),
        ({"span": 1}, "span and horizon"),
        ({"span": HOUR, "publish_span": MINUTE}, "shorter than the horizon"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, named):
    with pytest.raises(ValueError, match=named):
        Plan(**{"events": 1, **change})


def test_a_rate_is_a_share():
    with pytest.raises(ValueError, match="duplicate=2"):
        Faults(duplicate=2)
