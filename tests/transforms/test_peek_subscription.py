"""Looking at what waits in a subscription, against a server that misbehaves on purpose."""

from collections import deque

import grpc
import pytest

from local.services import exported
from tests.fake_pubsub import FakePubsub
from transforms.peek_subscription import oldest_waiting
from transforms.pubsub_client import SubscriptionError

pytestmark = pytest.mark.engine

NAME = "projects/some-project/subscriptions/some-name"
SECOND = 1_000_000


@pytest.fixture
def server():
    with FakePubsub() as fake, exported({"PUBSUB_EMULATOR_HOST": fake.address}):
        yield fake


def given_back(server: FakePubsub) -> list[str]:
    assert all(seconds == 0 for _, seconds in server.extended)
    return sorted(ack_id for ack_id, _ in server.extended)


def test_all_that_was_pulled_is_given_back_once_and_nothing_is_acknowledged(server):
    server.messages.extend(b"%d" % n for n in range(1_200))
    assert oldest_waiting(NAME) == SECOND
    assert given_back(server) == sorted(str(n) for n in range(1, 1_201))
    assert not server.acknowledged


def test_of_a_long_backlog_only_a_part_is_looked_at(server):
    server.messages.extend(b"" for _ in range(6_000))
    assert oldest_waiting(NAME) == SECOND
    assert server.asked == [1_000] * 5
    assert len(given_back(server)) == 5_000


def test_nothing_waits_after_four_answers_of_nothing(server):
    assert oldest_waiting(NAME) is None
    assert len(server.asked) == 4


def test_a_transient_error_is_tried_again(server):
    server.failures["Pull"] = deque([grpc.StatusCode.UNAVAILABLE] * 2)
    server.messages.append(b"one")
    assert oldest_waiting(NAME) == SECOND


def test_a_message_that_cannot_be_given_back_comes_again_by_itself(server):
    server.refusals["ModifyAckDeadline"] = grpc.StatusCode.UNAVAILABLE
    server.messages.append(b"one")
    assert oldest_waiting(NAME) == SECOND


@pytest.mark.parametrize(
    ("method", "code", "words"),
    [
        ("Pull", grpc.StatusCode.NOT_FOUND, "does not exist"),
        ("Pull", grpc.StatusCode.PERMISSION_DENIED, "roles/pubsub.subscriber"),
        ("Pull", grpc.StatusCode.UNAVAILABLE, "cannot be read"),
    ],
)
def test_a_subscription_that_cannot_be_read_is_one_line(server, method, code, words):
    server.refusals[method] = code
    with pytest.raises(SubscriptionError, match=words) as error:
        oldest_waiting(NAME, seconds=0.5)
    assert "\n" not in str(error.value)
    assert NAME in str(error.value)
