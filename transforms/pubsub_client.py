"""The three calls of Pub/Sub that reading takes, and what each error means.

The client library's own channel is used (credentials, `PUBSUB_EMULATOR_HOST`), with the plain
protobuf messages: the library's wrappers cost twenty times the message itself.
"""

import os
import random
import re
from collections.abc import Callable
from typing import Any

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.api_core.gapic_v1.routing_header import to_grpc_metadata
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1
from google.pubsub_v1 import types
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

__all__ = [
    "PULL_SECONDS",
    "Backoff",
    "SubscriptionClient",
    "SubscriptionError",
    "is_transient",
    "refusal_in",
    "refused",
]

_SERVICE = "/google.pubsub.v1.Subscriber/"
_CALL_SECONDS = 10.0
PULL_SECONDS = 90.0
"""How long a request for messages stays open."""
_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.ABORTED,
    # What a connection leaves behind that was cut in the middle of an answer.
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
}
_REMEDY = {
    grpc.StatusCode.NOT_FOUND: "does not exist; create it, or correct the name",
    grpc.StatusCode.PERMISSION_DENIED: (
        "may not be read by this account; grant it roles/pubsub.subscriber"
    ),
    grpc.StatusCode.UNAUTHENTICATED: (
        "refused the credentials; renew them with `gcloud auth application-default login`, "
        "or check the job's service account"
    ),
    grpc.StatusCode.INVALID_ARGUMENT: (
        "refused the request; the name must read projects/PROJECT/subscriptions/NAME"
    ),
    grpc.StatusCode.FAILED_PRECONDITION: (
        "cannot be pulled; make it a pull subscription that is attached to its topic"
    ),
}
_MARK = "Pub/Sub subscription "
_LINE = re.compile(_MARK + r"[^\n\\]* \([A-Z_]+\)\.")


class SubscriptionError(RuntimeError):
    """A subscription that cannot be read however often it is tried; one line with the remedy."""


def refused(subscription: str, error: grpc.RpcError) -> SubscriptionError:
    """Say in one line what is wrong with a subscription, and what to do."""
    remedy = _REMEDY.get(error.code(), "cannot be read; see Pub/Sub's error codes")
    return SubscriptionError(f"{_MARK}{subscription} {remedy} ({error.code().name}).")


def refusal_in(error: BaseException) -> str | None:
    """Find the line of a `SubscriptionError` in what an engine made of it, if there is one.

    >>> refusal_in(RuntimeError("bundle 3 failed: Pub/Sub subscription s is gone (NOT_FOUND). At"))
    'Pub/Sub subscription s is gone (NOT_FOUND).'
    """
    found = _LINE.search(str(error))
    return found[0] if found else None


def is_transient(error: grpc.RpcError) -> bool:
    """Say whether trying again can help."""
    return error.code() in _TRANSIENT


class Backoff:
    """Growing pauses with jitter, so that many readers do not come back in one instant.

    >>> backoff = Backoff(first=1.0, most=3.0, jitter=lambda: 1.0)
    >>> [backoff.next() for _ in range(3)]
    [1.0, 2.0, 3.0]
    """

    def __init__(
        self, first: float = 0.1, most: float = 5.0, jitter: Callable[[], float] = random.random
    ) -> None:
        self._first = first
        self._most = most
        self._jitter = jitter
        self.failures = 0

    def next(self) -> float:
        """Return the seconds to wait after one more failure: half to all of the doubled pause."""
        pause = min(self._most, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return pause * (1 + self._jitter()) / 2

    def reset(self) -> None:
        """Begin again after a success."""
        self.failures = 0


class SubscriptionClient:
    """Pulls from, acknowledges to and extends on one subscription. Raises `grpc.RpcError`."""

    def __init__(self, subscription: str) -> None:
        self._subscription = subscription
        self._metadata = [to_grpc_metadata((("subscription", subscription),))]
        try:
            self._client = _client()
        except (GoogleAuthError, GoogleAPICallError) as error:
            message = (
                f"{_MARK}{subscription} cannot be reached without credentials; run `gcloud auth "
                "application-default login`, or set PUBSUB_EMULATOR_HOST (UNAUTHENTICATED)."
            )
            raise SubscriptionError(message) from error
        self._channel = self._client.transport.grpc_channel
        self._ready = False
        self._channel.subscribe(self._notice)
        self._pull = self._method("Pull", types.PullRequest, types.PullResponse)
        self._acknowledge = self._method("Acknowledge", types.AcknowledgeRequest, None)
        self._modify = self._method("ModifyAckDeadline", types.ModifyAckDeadlineRequest, None)

    @property
    def connected(self) -> bool:
        """Whether the connection stands, so that silence means that there is nothing."""
        return self._ready

    def pull(self, most: int, *, at_once: bool = False) -> Any:
        """Ask for up to `most` messages; return the future of a PullResponse protobuf.

        With `at_once` the server does not wait for messages, and says at times that there are none
        where there are some. Otherwise:

        The server answers when it has something: the future may stay open for as long as it is
        useful, and is cancelled by nothing but the reader's end. A pull that is cut short can take
        messages with it, which are then delivered again only after their deadline.
        """
        request = types.PullRequest.pb()(
            subscription=self._subscription, max_messages=most, return_immediately=at_once
        )
        return self._pull.future(request, timeout=PULL_SECONDS, metadata=self._metadata)

    def acknowledge(self, ack_ids: list[str]) -> None:
        """Acknowledge up to a thousand deliveries."""
        request = types.AcknowledgeRequest.pb()(subscription=self._subscription, ack_ids=ack_ids)
        self._acknowledge(request, timeout=_CALL_SECONDS, metadata=self._metadata)

    def extend(self, ack_ids: list[str], seconds: int) -> None:
        """Move the deadline of up to a thousand deliveries; 0 seconds gives them back at once."""
        request = types.ModifyAckDeadlineRequest.pb()(
            subscription=self._subscription, ack_ids=ack_ids, ack_deadline_seconds=seconds
        )
        self._modify(request, timeout=_CALL_SECONDS, metadata=self._metadata)

    def close(self) -> None:
        """Close the connection."""
        self._channel.unsubscribe(self._notice)
        self._client.close()

    def _notice(self, state: grpc.ChannelConnectivity) -> None:
        self._ready = state is grpc.ChannelConnectivity.READY

    def _method(self, name: str, request: Any, response: Any) -> Any:
        parse = response.pb().FromString if response else None
        return self._channel.unary_unary(_SERVICE + name, request.pb().SerializeToString, parse)


def _client() -> pubsub_v1.SubscriberClient:
    """Make the library's client. For an emulator it lifts no bound: an answer had to be 4 MiB."""
    host = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not host:
        return pubsub_v1.SubscriberClient()
    channel = grpc.insecure_channel(host, [("grpc.max_receive_message_length", -1)])
    return pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
