"""Connection, lease and keeper against a server that misbehaves on purpose."""

import time
from collections import deque
from collections.abc import Callable, Iterator

import google.auth
import grpc
import pytest
from google.auth.exceptions import DefaultCredentialsError

from local.services import exported
from tests.fake_pubsub import FakePubsub
from transforms import pubsub_session
from transforms.pubsub_client import Backoff, SubscriptionClient, SubscriptionError
from transforms.pubsub_session import Session, SessionKey
from transforms.pubsub_turns import FIRST

pytestmark = pytest.mark.engine

NAME = "projects/some-project/subscriptions/some-name"
TRANSIENT = ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "ABORTED"]
PERMANENT = {
    "NOT_FOUND": "create it",
    "PERMISSION_DENIED": "roles/pubsub.subscriber",
    "UNAUTHENTICATED": "gcloud auth",
    "INVALID_ARGUMENT": "projects/PROJECT/subscriptions/NAME",
    "FAILED_PRECONDITION": "pull subscription",
    "UNIMPLEMENTED": "error codes",
}


@pytest.fixture
def server() -> Iterator[FakePubsub]:
    with FakePubsub() as fake, exported({"PUBSUB_EMULATOR_HOST": fake.address}):
        yield fake


@pytest.fixture
def session(server: FakePubsub) -> Iterator[Session]:
    session = pubsub_session.acquire(a_key())
    yield session
    pubsub_session.release(a_key())


def a_key(job: str = "job", **changes) -> SessionKey:
    fields = {"max_messages": 100, "max_bytes": 1 << 20, "slack": 2.0} | changes
    return SessionKey(NAME, job, **fields)


def eventually(holds: Callable[[], object], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.01)


def take(session: Session, seconds: float = 5) -> list[bytes]:
    """Pull until something comes."""
    end = time.monotonic() + seconds
    while not (messages := session.puller("0").take(0.05)):
        assert time.monotonic() < end, "nothing came"
    return messages


def run_turn(session: Session, token: str, following: str, commit: bool = True) -> list[bytes]:
    turn = session.begin("0", token, following)
    messages = session.puller("0").take(0.2)
    if messages:
        assert session.hold("0", turn, messages, oldest=0)
    session.lease.rest("0")
    if commit:
        session.finalized("0", turn)
    return [each.message.data for each in messages]


def test_messages_are_acknowledged_by_the_turn_after_their_own(server, session):
    server.messages.extend([b"a", b"b"])
    assert run_turn(session, FIRST, "2") == [b"a", b"b"]
    time.sleep(0.1)
    assert server.acknowledged == set()
    run_turn(session, "2", "3")
    eventually(lambda: server.acknowledged == {"1", "2"})


@pytest.mark.parametrize("code", TRANSIENT)
def test_a_transient_error_of_a_pull_is_tried_again(server, session, code):
    server.failures["Pull"] = deque([grpc.StatusCode[code]] * 2)
    server.messages.append(b"a")
    session.begin("0", FIRST, "2")
    assert [each.message.data for each in take(session)] == [b"a"]


@pytest.mark.parametrize("code", PERMANENT)
def test_a_permanent_error_is_one_line_with_name_and_remedy(server, session, code):
    server.refusals["Pull"] = grpc.StatusCode[code]
    session.begin("0", FIRST, "2")
    with pytest.raises(SubscriptionError) as error:
        take(session)
    line = str(error.value)
    assert "\n" not in line
    assert NAME in line
    assert code in line
    assert PERMANENT[code] in line


def test_an_acknowledgement_is_tried_again_until_it_is_accepted(server, session):
    server.failures["Acknowledge"] = deque([grpc.StatusCode.UNAVAILABLE] * 3)
    server.messages.append(b"a")
    run_turn(session, FIRST, "2")
    run_turn(session, "2", "3")
    eventually(lambda: server.acknowledged == {"1"})
    eventually(lambda: session.lease.outstanding == (0, 0))


def test_an_acknowledgement_that_is_refused_for_good_ends_the_job(server, session):
    server.refusals["Acknowledge"] = grpc.StatusCode.PERMISSION_DENIED
    server.messages.append(b"a")
    run_turn(session, FIRST, "2")
    run_turn(session, "2", "3")
    eventually(lambda: session.refusal)
    with pytest.raises(SubscriptionError, match=NAME):
        session.begin("0", "3", "4")


def test_a_deadline_that_exactly_once_delivery_missed_is_left_to_redelivery(server, session):
    server.refusals["Acknowledge"] = grpc.StatusCode.FAILED_PRECONDITION
    server.messages.append(b"a")
    run_turn(session, FIRST, "2")
    run_turn(session, "2", "3")
    eventually(lambda: session.lease.outstanding == (0, 0))
    assert session.refusal is None


def test_a_restored_engine_gives_messages_back_at_once(server, session):
    server.messages.append(b"a")
    run_turn(session, FIRST, "2", commit=False)
    run_turn(session, FIRST, "another 2")
    assert server.extended == [("1", 0)]
    assert server.acknowledged == set()


def test_what_comes_for_a_turn_made_void_meanwhile_is_given_back(server, session):
    server.messages.append(b"a")
    turn = session.begin("0", FIRST, "2")
    session.begin("0", FIRST, "another 2")
    assert not session.hold("0", turn, take(session), oldest=0)
    assert server.extended == [("1", 0)]


def test_closing_acknowledges_what_is_ripe_and_gives_back_the_rest(server):
    session = pubsub_session.acquire(a_key())
    server.messages.extend([b"a"])
    run_turn(session, FIRST, "2")
    server.messages.extend([b"b"])
    run_turn(session, "2", "3")
    pubsub_session.release(a_key())
    assert server.acknowledged == {"1"}
    assert server.extended == [("2", 0)]
    assert session.puller("0").take(0.1) == []


def test_a_session_is_shared_within_a_job_and_never_between_jobs(server):
    ours, again = pubsub_session.acquire(a_key("ours")), pubsub_session.acquire(a_key("ours"))
    theirs = pubsub_session.acquire(a_key("theirs"))
    assert ours is again
    assert ours is not theirs
    for job in ("ours", "theirs", "ours"):
        pubsub_session.release(a_key(job))
    assert pubsub_session.acquire(a_key("ours")) is not ours
    pubsub_session.release(a_key("ours"))


def test_no_more_is_outstanding_than_allowed(server):
    key = a_key(max_messages=7)
    session = pubsub_session.acquire(key)
    server.messages.extend([b"x"] * 50)
    token, read = FIRST, 0
    for number in range(40):
        read += len(run_turn(session, token, str(number)))
        token = str(number)
    eventually(lambda: len(server.acknowledged) >= 43)
    pubsub_session.release(key)
    assert read == 50
    assert server.most_outstanding <= 7
    assert max(server.asked) <= 7


def test_pauses_grow_to_a_bound_and_begin_anew_after_a_success():
    backoff = Backoff(first=1.0, most=5.0, jitter=lambda: 0.0)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 2.5, 2.5]
    backoff.reset()
    assert backoff.next() == 0.5


def test_a_client_without_credentials_says_so_in_one_line(monkeypatch):
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)

    # Another test may have made the whole process anonymous.
    def no_credentials(*_scopes, **_more):
        raise DefaultCredentialsError("none")

    monkeypatch.setattr(google.auth, "default", no_credentials)
    with pytest.raises(SubscriptionError, match="without credentials") as error:
        SubscriptionClient(NAME)
    assert "\n" not in str(error.value)
