"""Asks a subscription how old its oldest waiting message is, and takes nothing from it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from transforms.pubsub_client import Backoff, SubscriptionClient, is_transient, refused
from transforms.pubsub_messages import pack_messages, row_times

__all__ = ["oldest_waiting"]

_MOST_MESSAGES = 1_000
_PULLS = 5
_EMPTY_ANSWERS = 4
_PAUSE = 0.5
_IDS_PER_CALL = 1_000


def oldest_waiting(
    subscription: str,
    attribute: str | None = None,
    seconds: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> int | None:
    """Return the least time of some messages that wait, in microseconds; None: none came.

    At most five times a thousand messages are pulled, and waited for no longer than `seconds`. All
    are given back at the end, and not one by one: they would come again, and each delivery counts
    for a dead letter policy; so it is one. Messages that another reader holds do not come, nor do
    the oldest come first: it is an estimate.

    Args:
        subscription: `projects/PROJECT/subscriptions/NAME`.
        attribute: attribute with a message's time; the earlier of it and the publish time counts.
        seconds: how long to wait for messages, all in all.
        clock: in seconds.

    Raises:
        SubscriptionError: it cannot be read, or not be reached in time; one line with the remedy.
    """
    client = SubscriptionClient(subscription)
    ack_ids: list[str] = []
    times: list[int] = []
    end = clock() + seconds
    try:
        for messages in _answers(client, lambda: end - clock()):
            ack_ids += [message.ack_id for message in messages]
            for pack in pack_messages(messages):
                times += [*row_times(pack, None), *row_times(pack, attribute)]
    except grpc.RpcError as error:
        raise refused(subscription, error) from error
    finally:
        _give_back(client, ack_ids)
        client.close()
    return min(times, default=None)


def _answers(client: SubscriptionClient, left: Callable[[], float]) -> Iterator[list[Any]]:
    """Yield what each pull brings, until some in a row bring nothing; a lasting error is raised."""
    pulls = empty = 0
    while pulls < _PULLS and empty < _EMPTY_ANSWERS and left() > 0:
        messages = _pull(client, left)
        yield messages
        if messages:
            pulls, empty = pulls + 1, 0
        else:
            empty += 1
            time.sleep(min(_PAUSE, max(left(), 0.0)))


def _pull(client: SubscriptionClient, left: Callable[[], float]) -> list[Any]:
    backoff = Backoff()
    while True:
        # None may stay open: what is given back would be delivered to it, and be hidden.
        asked = client.pull(_MOST_MESSAGES, at_once=True)
        try:
            return list(asked.result(timeout=max(left(), _PAUSE)).received_messages)
        except grpc.FutureTimeoutError:
            asked.cancel()
            return []
        except grpc.RpcError as error:
            pause = backoff.next()
            if not is_transient(error) or pause > left():
                raise
            time.sleep(pause)


def _give_back(client: SubscriptionClient, ack_ids: list[str]) -> None:
    try:
        for first in range(0, len(ack_ids), _IDS_PER_CALL):
            client.extend(ack_ids[first : first + _IDS_PER_CALL], 0)
    except grpc.RpcError as error:
        # They come again by themselves, when their deadline is over.
        if not is_transient(error):
            raise
