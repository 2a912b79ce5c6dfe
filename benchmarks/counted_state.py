"""Counts the bytes that stateful steps hand to the local runner to keep."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from apache_beam.runners.portability.fn_api_runner.worker_handlers import StateServicer

__all__ = ["Kept", "counted_state"]

_KIND = "bag_user_state"
"""Bags and single values alike; what else the servicer holds belongs to side inputs."""


class Kept:
    """Bytes of state: `most` at one time, `written` in all; keys are not counted, nor timers."""

    def __init__(self) -> None:
        self.most = 0
        self.written = 0
        self._held: Counter[bytes] = Counter()
        self._now = 0

    def add(self, key: bytes, size: int) -> None:
        """Take note of what is appended to a bag."""
        self._held[key] += size
        self._now += size
        self.written += size
        self.most = max(self.most, self._now)

    def clear(self, key: bytes) -> None:
        """Take note of a bag that is emptied."""
        self._now -= self._held.pop(key, 0)


@contextmanager
def counted_state() -> Iterator[Kept]:
    """Yield what is counted while the block lasts; nothing of the runner is changed but that."""
    kept = Kept()
    append, clear = StateServicer.append_raw, StateServicer.clear

    def append_counted(self: Any, state_key: Any, data: bytes) -> Any:
        if state_key.WhichOneof("type") == _KIND:
            kept.add(state_key.SerializeToString(), len(data))
        return append(self, state_key, data)

    def clear_counted(self: Any, state_key: Any) -> Any:
        kept.clear(state_key.SerializeToString())
        return clear(self, state_key)

    with (
        mock.patch.object(StateServicer, "append_raw", append_counted),
        mock.patch.object(StateServicer, "clear", clear_counted),
    ):
        yield kept
