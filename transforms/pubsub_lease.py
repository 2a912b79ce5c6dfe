"""What a process holds of one subscription: how much, until when, and for which reader. No client.

Everything is counted by batch (one answer of the server), because a message's share of the work
must stay far below a microsecond.
"""

import threading
import time
from collections.abc import Callable, Iterable

from transforms.pubsub_turns import Batch, Turn, Turns
from transforms.pubsub_watermark import SourceWatermark

__all__ = ["EXTENSION", "Lease"]

EXTENSION = 30
"""Seconds by which a deadline is extended; a killed process's messages come again after them."""
_SHORTEST = 10.0
"""The shortest deadline that a subscription can have."""
_MARGIN = 6.0
_MICROS = 1_000_000


class Lease:
    """Messages delivered and not yet acknowledged, of all readers in one process. Thread-safe.

    `room` bounds them: outstanding messages never exceed `max_messages`; outstanding bytes exceed
    `max_bytes` by no more than messages being larger than the largest seen before. For `grace`
    seconds from now on it has no watermark, and for as long after an error the same one.
    """

    def __init__(
        self,
        max_messages: int,
        max_bytes: int,
        slack: float = 0.0,
        clock: Callable[[], float] = time.time,
        grace: float = 0.0,
    ) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._clock = clock
        self._held: set[Batch] = set()
        self._messages = self._bytes = self._asked = 0
        self._largest = 1024
        self._turns: dict[str, Turns] = {}
        self._rested: dict[str, float] = {}
        self._due: list[Batch] = []
        self._active = clock()
        self._lock = threading.RLock()
        self._source = SourceWatermark(
            int(slack * _MICROS),
            lambda: int(clock() * _MICROS),
            int(grace * _MICROS),
        )

    @property
    def outstanding(self) -> tuple[int, int]:
        """Messages and bytes held, without what was asked for and has not come."""
        with self._lock:
            return self._messages, self._bytes

    @property
    def full(self) -> bool:
        """Whether nothing more may be asked for until something is acknowledged."""
        with self._lock:
            return self._free() <= 0

    def begin(self, reader: str, token: str, following: str) -> tuple[Turn, list[Batch]]:
        """Begin a turn; return it with the batches to give back because the engine was restored."""
        with self._lock:
            self._rested.pop(reader, None)
            self._source.joined(reader)
            turn, void = self._turns.setdefault(reader, Turns()).begin(token, following)
            if void:
                self._source.restored(min(batch.oldest for batch in void))
            return turn, self._forget(void)

    def room(self, wanted: int) -> int:
        """Reserve up to `wanted` messages; return how many may be asked for, perhaps none."""
        with self._lock:
            idle = not (self._messages or self._asked)
            granted = max(min(wanted, self._free()), int(idle))
            self._asked += granted
            return granted

    def came(self, reader: str, turn: Turn, batch: Batch, largest: int) -> bool:
        """Hold what came in a turn; False where a restore has made that turn void meanwhile."""
        with self._lock:
            self._largest = max(self._largest, largest)
            self._active = self._clock()
            self._source.came(reader, batch.oldest)
            if reader not in self._turns or not self._turns[reader].holds(turn):
                return False
            batch.deadline = self._active + _SHORTEST
            turn.batches.append(batch)
            self._held.add(batch)
            self._messages += len(batch.ack_ids)
            self._bytes += batch.size
            return True

    def answered(self, asked: int) -> None:
        """Return a reservation: its answer has come, or never will."""
        with self._lock:
            self._asked -= asked

    def finalized(self, reader: str, turn: Turn) -> None:
        """Note that the engine has committed a turn."""
        with self._lock:
            if reader in self._turns:
                self._due += self._turns[reader].finalized(turn)

    def due(self) -> list[Batch]:
        """Take the batches to acknowledge; each must be given to `settled` or `again`."""
        with self._lock:
            due, self._due = self._due, []
            return due

    def again(self, batches: Iterable[Batch]) -> None:
        """Put batches back that could not be acknowledged for now."""
        with self._lock:
            self._due += batches

    def asked_in_vain(self, reader: str) -> None:
        """Note that the server had nothing for this reader."""
        with self._lock:
            self._source.asked_in_vain(reader)

    def failed(self, reader: str) -> None:
        """Note that the server could not be asked: silence is no idleness."""
        with self._lock:
            self._active = self._clock()
            self._source.failed(reader)

    def asks(self, reader: str) -> None:
        """Note that a reader asks, and has no answer yet."""
        with self._lock:
            self._source.joined(reader)

    def waits(self, reader: str) -> None:
        """Note that a reader asks for nothing because there is no room."""
        with self._lock:
            self._source.left(reader)

    def settled(self, batches: Iterable[Batch]) -> None:
        """Let go of batches: the server has them acknowledged, or will deliver them again."""
        with self._lock:
            self._active = self._clock()
            self._forget(batches)

    def expiring(self) -> list[Batch]:
        """Return the batches whose deadline should be extended now, and count it as extended."""
        with self._lock:
            now = self._clock()
            expiring = [batch for batch in self._held if batch.deadline < now + _MARGIN]
            for batch in expiring:
                batch.deadline = now + EXTENSION
            return expiring

    def not_extended(self, batches: Iterable[Batch]) -> None:
        """Note that an extension failed, so that it is tried again at once."""
        with self._lock:
            for batch in batches:
                batch.deadline = self._clock()

    def rest(self, reader: str) -> None:
        """Note that a reader's turn has returned and the engine owes it the next."""
        with self._lock:
            self._rested[reader] = self._clock()

    def abandoned(self, seconds: float) -> list[str]:
        """Return the readers that the engine has not called for so long: it runs them elsewhere."""
        with self._lock:
            before = self._clock() - seconds
            return [reader for reader, since in self._rested.items() if since < before]

    def leave(self, reader: str) -> list[Batch]:
        """Forget a reader; return what it held, to be given back."""
        with self._lock:
            self._source.left(reader)
            self._rested.pop(reader, None)
            turns = self._turns.pop(reader, None)
            return self._forget(turns.drop()) if turns else []

    def end(self) -> list[Batch]:
        """Forget every reader; return what they held, to be given back."""
        with self._lock:
            return [batch for reader in list(self._turns) for batch in self.leave(reader)]

    def idle(self, seconds: float) -> bool:
        """Say whether all is acknowledged and every reader has asked in vain for so long."""
        with self._lock:
            rested = self._clock() - self._active >= seconds
            return rested and not self._held and self._source.quiet

    def watermark(self) -> int | None:
        """Return the watermark of the readers in this process, in microseconds."""
        with self._lock:
            oldest = min((batch.oldest for batch in self._held), default=None)
            return self._source.current(oldest)

    def _free(self) -> int:
        free = self._max_messages - self._messages - self._asked
        return min(free, (self._max_bytes - self._bytes) // self._largest - self._asked)

    def _forget(self, batches: Iterable[Batch]) -> list[Batch]:
        forgotten = [batch for batch in batches if batch in self._held]
        self._held.difference_update(forgotten)
        self._messages -= sum(len(batch.ack_ids) for batch in forgotten)
        self._bytes -= sum(batch.size for batch in forgotten)
        return forgotten
