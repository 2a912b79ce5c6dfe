"""Asking a subscription for messages, one open request a reader, across the reader's turns."""

import logging
import threading
import time
from typing import Any

import grpc

from transforms.pubsub_client import (
    PULL_SECONDS,
    Backoff,
    SubscriptionClient,
    is_transient,
    refused,
)
from transforms.pubsub_lease import Lease

__all__ = ["Puller"]

_LOG = logging.getLogger(__name__)
_MOST = 1000
_QUIET_SECONDS = 0.5
_LOG_EVERY = 10


class Puller:
    """Pulls for one reader within the lease's room.

    A request that is not answered in time stays open and is taken up by the next call: a request
    cut short can take messages with it, which then come again only after their deadline.
    """

    def __init__(self, reader: str, subscription: str, client: SubscriptionClient, lease: Lease):
        self._reader = reader
        self._subscription = subscription
        self._client = client
        self._lease = lease
        self._backoff = Backoff()
        self._not_before = 0.0
        self._pending: Any = None
        self._asked = 0
        self._since = 0.0
        self._ended = False
        self._lock = threading.Lock()

    def take(self, wait: float) -> list[Any]:
        """Return what came within `wait` seconds, as ReceivedMessage protobufs; perhaps nothing.

        A transient error is nothing, and is tried again after a growing pause; any other raises
        `ReadingRefused`.
        """
        with self._lock:
            if self._ended:
                return []
            if self._pending is None and not self._ask():
                time.sleep(min(wait, max(self._not_before - time.monotonic(), 0.01)))
                return []
            return self._answer(wait)

    def cancel(self) -> bool:
        """End the open request; False where it has its answer already, to be taken first."""
        with self._lock:
            if self._pending is not None:
                if self._pending.done():
                    return False
                self._pending.cancel()
                self._settle()
            return True

    def end(self) -> None:
        """Ask for nothing more: the session closes under a turn that the engine has given up."""
        self.cancel()
        self._ended = True

    def _ask(self) -> bool:
        if time.monotonic() < self._not_before:
            return False
        self._asked = self._lease.room(_MOST)
        if self._asked == 0:
            self._lease.waits(self._reader)
            return False
        self._lease.asks(self._reader)
        self._since = time.monotonic()
        self._pending = self._client.pull(self._asked)
        return True

    def _answer(self, wait: float) -> list[Any]:
        try:
            messages: list[Any] = list(self._pending.result(timeout=wait).received_messages)
        except grpc.FutureTimeoutError:
            self._judge_silence()
            return []
        except grpc.RpcError as error:
            self._settle()
            self._judge(error)
            return []
        self._settle()
        self._backoff.reset()
        if not messages:
            self._lease.asked_in_vain(self._reader)
        return messages

    def _settle(self) -> None:
        self._pending = None
        self._lease.answered(self._asked)

    def _judge_silence(self) -> None:
        if not self._client.connected:
            self._lease.failed(self._reader)
        elif time.monotonic() - self._since >= _QUIET_SECONDS:
            self._lease.asked_in_vain(self._reader)

    def _judge(self, error: grpc.RpcError) -> None:
        if not is_transient(error):
            raise refused(self._subscription, error)
        patient = time.monotonic() - self._since >= PULL_SECONDS
        if patient and self._client.connected:
            return
        self._lease.failed(self._reader)
        if self._backoff.failures % _LOG_EVERY == 0:
            name = error.code().name
            _LOG.warning("%s: %s, trying again", self._subscription, name)
        self._not_before = time.monotonic() + self._backoff.next()
