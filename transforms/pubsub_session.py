"""One process's dealings with one subscription for one job: connection, lease, and its keeper.

It belongs to the process and not to a DoFn instance: an engine keeps several instances of a DoFn
(one for each bundle that waits for its finalizer), and a message that one has read is acknowledged
by the finalizer of another.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc

from transforms.pubsub_client import Backoff, SubscriptionClient, is_transient, refused
from transforms.pubsub_lease import EXTENSION, Lease
from transforms.pubsub_pull import Puller
from transforms.pubsub_turns import Batch, Turn

__all__ = ["Session", "SessionKey", "acquire", "release"]

_LOG = logging.getLogger(__name__)
_TICK = 1.0
_CALLED_NO_MORE = 60.0
_IDS_PER_CALL = 1000
_FLUSH_SECONDS = 5.0


@dataclass(frozen=True)
class SessionKey:
    """What a session is for. `job` is drawn anew for every pipeline that is built."""

    subscription: str
    job: str
    max_messages: int
    max_bytes: int
    slack: float
    grace: float = 0.0


class Session:
    """The connection and the lease, with a thread that acknowledges and extends deadlines.

    Transient errors of that thread are tried again; a permanent one is kept in `refusal` for the
    reader to raise, because a background thread cannot end a job.
    """

    def __init__(self, key: SessionKey, clock: Callable[[], float] = time.time) -> None:
        self.subscription = key.subscription
        self.client = SubscriptionClient(key.subscription)
        self.lease = Lease(key.max_messages, key.max_bytes, key.slack, clock, key.grace)
        self.refusal: Exception | None = None
        self._pullers: dict[str, Puller] = {}
        self._lock = threading.Lock()
        self._backoff = Backoff()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="pubsub-keeper", daemon=True)
        self._keeper.start()

    def puller(self, reader: str) -> Puller:
        """Return the one puller of a reader."""
        with self._lock:
            if reader not in self._pullers:
                puller = Puller(reader, self.subscription, self.client, self.lease)
                self._pullers[reader] = puller
            return self._pullers[reader]

    def begin(self, reader: str, token: str, following: str) -> Turn:
        """Begin a turn; raise what the keeper could not mend."""
        if self.refusal is not None:
            raise self.refusal
        turn, void = self.lease.begin(reader, token, following)
        self.give_back(void)
        return turn

    def hold(self, reader: str, turn: Turn, messages: list[Any], oldest: int) -> bool:
        """Hold what came in a turn; where the turn is void meanwhile, give it back: False."""
        sizes = [len(each.message.data) for each in messages]
        batch = Batch([each.ack_id for each in messages], oldest, sum(sizes))
        held = self.lease.came(reader, turn, batch, max(sizes))
        if not held and not self._stopping.is_set():
            self.give_back([batch])
        return held

    def finalized(self, reader: str, turn: Turn) -> None:
        """Note that the engine has committed a turn, and acknowledge what is ripe."""
        self.lease.finalized(reader, turn)
        self._wake.set()

    def ended(self, reader: str, idle_seconds: float) -> bool:
        """End a reader if nothing came for so long and everything is acknowledged."""
        if not self.lease.idle(idle_seconds) or not self.puller(reader).cancel():
            return False
        self.lease.leave(reader)
        return True

    def give_back(self, batches: Iterable[Batch]) -> None:
        """Ask for another delivery at once instead of after the deadline; failing is no loss."""
        try:
            self._extend(batches, 0)
        except grpc.RpcError as error:
            _LOG.info("%s: giving back failed (%s)", self.subscription, error.code().name)

    def close(self) -> None:
        """Acknowledge what is due, give back the rest, and end."""
        self._stopping.set()
        self._wake.set()
        self._keeper.join(_FLUSH_SECONDS)
        self._acknowledge_due()
        for puller in self._pullers.values():
            puller.end()
        self.give_back(self.lease.end())
        self.client.close()

    def _keep(self) -> None:
        pause = _TICK
        while not self._stopping.is_set():
            self._wake.wait(pause)
            self._wake.clear()
            pause = _TICK if self._acknowledge_due() else self._backoff.next()
            self._keep_deadlines()

    def _acknowledge_due(self) -> bool:
        due = self.lease.due()
        try:
            for ids in _by_thousands(due):
                self.client.acknowledge(ids)
        except grpc.RpcError as error:
            return self._not_acknowledged(due, error)
        if due:
            self.lease.settled(due)
            self._backoff.reset()
        return True

    def _not_acknowledged(self, due: list[Batch], error: grpc.RpcError) -> bool:
        if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
            # A subscription with exactly-once delivery says so when a deadline has passed: the
            # messages will come again.
            self.lease.settled(due)
            return True
        self.lease.again(due)
        if not is_transient(error):
            self.refusal = refused(self.subscription, error)
        return False

    def _keep_deadlines(self) -> None:
        for reader in self.lease.abandoned(_CALLED_NO_MORE):
            self.puller(reader).cancel()
            self.give_back(self.lease.leave(reader))
        expiring = self.lease.expiring()
        try:
            self._extend(expiring, EXTENSION)
        except grpc.RpcError as error:
            self.lease.not_extended(expiring)
            _LOG.warning("%s: extending failed (%s)", self.subscription, error.code().name)

    def _extend(self, batches: Iterable[Batch], seconds: int) -> None:
        for ids in _by_thousands(batches):
            self.client.extend(ids, seconds)


_LOCK = threading.Lock()
_SESSIONS: dict[SessionKey, Session] = {}
_USERS: dict[SessionKey, int] = {}


def acquire(key: SessionKey) -> Session:
    """Return the process's session of this key; each call is to be met by one `release`."""
    with _LOCK:
        if key not in _SESSIONS:
            _SESSIONS[key] = Session(key)
        _USERS[key] = _USERS.get(key, 0) + 1
        return _SESSIONS[key]


def release(key: SessionKey) -> None:
    """Let go of a session; the last one to do so closes it."""
    with _LOCK:
        _USERS[key] -= 1
        last = _SESSIONS.pop(key) if _USERS[key] == 0 else None
        if last:
            del _USERS[key]
    if last:
        last.close()


def _by_thousands(batches: Iterable[Batch]) -> Iterable[list[str]]:
    ids = [ack_id for batch in batches for ack_id in batch.ack_ids]
    return [ids[start : start + _IDS_PER_CALL] for start in range(0, len(ids), _IDS_PER_CALL)]
