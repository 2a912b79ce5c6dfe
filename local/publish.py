"""Publishes messages to a Pub/Sub topic at a bounded rate."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import grpc
from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, NotFound, RetryError
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError
from google.pubsub_v1 import PublisherClient, SubscriberClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.errors import ServiceError

__all__ = [
    "Outgoing",
    "Published",
    "ensure_subscription",
    "ensure_topic",
    "hand_back",
    "publish",
    "read_lines",
]

_MOST_MESSAGES = 500
_MOST_BYTES = 2_000_000
_TICK = 0.05
_PATIENCE = 30.0


class _Publishable(Protocol):
    @property
    def payload(self) -> bytes: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def ordering_key(self) -> str: ...


class Outgoing(NamedTuple):
    """A message to publish; generated messages fit as they are."""

    payload: bytes
    attributes: Mapping[str, str] = {}
    ordering_key: str = ""


@dataclass
class Published:
    """What was published: numbers of messages, payload bytes and requests, and the time it took."""

    messages: int = 0
    payload_bytes: int = 0
    requests: int = 0
    seconds: float = 0.0


def publish(
    topic: str,
    messages: Iterable[_Publishable],
    rate: float | None = None,
    *,
    ordered: bool = False,
    progress: Callable[[Published], None] | None = None,
) -> Published:
    """Publish messages in their order, up to 500 a request; return when all are accepted.

    A request that fails for a while is tried again and may then arrive twice, as any producer's.
    The service is the one that PUBSUB_EMULATOR_HOST names, else Google's.

    Args:
        topic: full name, `projects/P/topics/T`.
        messages: their payloads, attributes and ordering keys are sent, nothing else.
        rate: messages a second; None is as fast as it goes.
        ordered: send the ordering keys too.
        progress: called after each request.

    Raises:
        ServiceError: the topic is missing or the service cannot be reached; one line.
    """
    if rate is not None and rate <= 0:
        msg = f"rate={rate}: give more than 0 messages a second, or None"
        raise ValueError(msg)
    client = _publisher()
    done = Published()
    begun = time.monotonic()
    try:
        for batch in _batches(_paced(messages, rate)):
            _send(client, topic, batch, ordered=ordered)
            done.messages += len(batch)
            done.payload_bytes += sum(len(message.payload) for message in batch)
            done.requests += 1
            done.seconds = time.monotonic() - begun
            if progress:
                progress(done)
    finally:
        client.transport.close()
    return done


def ensure_topic(topic: str) -> bool:
    """Create a topic unless it is there; return whether it was created."""
    client = _publisher()
    try:
        return _created(lambda: client.create_topic(name=topic, timeout=_PATIENCE), topic)
    finally:
        client.transport.close()


def ensure_subscription(subscription: str, topic: str, **settings: Any) -> bool:
    """Create a subscription unless it is there; `settings` are fields such as a deadline."""
    client = _subscriber()
    request = types.Subscription(name=subscription, topic=topic, **settings)
    try:
        return _created(
            lambda: client.create_subscription(request=request, timeout=_PATIENCE), subscription
        )
    finally:
        client.transport.close()


def hand_back(subscription: str, count: int) -> int:
    """Pull up to `count` messages and refuse them, so that they are delivered again; return n."""
    client = _subscriber()
    try:
        pulled = client.pull(subscription=subscription, max_messages=count, timeout=_PATIENCE)
        ack_ids = [received.ack_id for received in pulled.received_messages]
        if ack_ids:
            client.modify_ack_deadline(
                subscription=subscription, ack_ids=ack_ids, ack_deadline_seconds=0
            )
        return len(ack_ids)
    except (GoogleAPICallError, RetryError, GoogleAuthError) as error:
        raise _service_error(subscription, error) from error
    finally:
        client.transport.close()


def read_lines(path: Path) -> Iterator[Outgoing]:
    """Yield a message for each line of a file that is not blank, without its line end."""
    with path.open("rb") as file:
        for line in file:
            if not line.isspace():
                yield Outgoing(line.rstrip(b"\r\n"))


def _paced(messages: Iterable[_Publishable], rate: float | None) -> Iterator[_Publishable | None]:
    """Yield messages when they are due; None marks a moment in which nothing is."""
    begun = time.monotonic()
    for number, message in enumerate(messages):
        while rate is not None and (wait := begun + number / rate - time.monotonic()) > 0:
            yield None
            time.sleep(min(wait, _TICK))
        yield message


def _batches(messages: Iterable[_Publishable | None]) -> Iterator[list[_Publishable]]:
    batch: list[_Publishable] = []
    size = 0
    for message in messages:
        full = message is None or len(batch) == _MOST_MESSAGES or size > _MOST_BYTES
        if full and batch:
            yield batch
            batch, size = [], 0
        if message is not None:
            batch.append(message)
            size += len(message.payload)
    if batch:
        yield batch


def _send(client: PublisherClient, topic: str, batch: list[_Publishable], *, ordered: bool) -> None:
    wire = [
        types.PubsubMessage(
            data=message.payload,
            attributes=dict(message.attributes),
            ordering_key=message.ordering_key if ordered else "",
        )
        for message in batch
    ]
    retry = Retry(timeout=_PATIENCE)
    try:
        client.publish(topic=topic, messages=wire, retry=retry, timeout=_PATIENCE)
    except (GoogleAPICallError, RetryError, GoogleAuthError) as error:
        raise _service_error(topic, error) from error


def _created(create: Callable[[], object], name: str) -> bool:
    try:
        create()
    except AlreadyExists:
        return False
    except (GoogleAPICallError, RetryError, GoogleAuthError) as error:
        raise _service_error(name, error) from error
    return True


def _service_error(name: str, error: Exception) -> ServiceError:
    if isinstance(error, NotFound):
        return ServiceError(f"{name} does not exist; create it, or correct the name")
    where = os.environ.get("PUBSUB_EMULATOR_HOST", "Google Cloud Pub/Sub")
    return ServiceError(
        f"{name}: {where} did not accept it ({type(error).__name__});"
        " start the services with `penstock up`, or check name and credentials"
    )


def _publisher() -> PublisherClient:
    host = os.environ.get("PUBSUB_EMULATOR_HOST")
    if host is None:
        return PublisherClient()
    return PublisherClient(transport=PublisherGrpcTransport(channel=grpc.insecure_channel(host)))


def _subscriber() -> SubscriberClient:
    host = os.environ.get("PUBSUB_EMULATOR_HOST")
    if host is None:
        return SubscriberClient()
    return SubscriberClient(transport=SubscriberGrpcTransport(channel=grpc.insecure_channel(host)))
