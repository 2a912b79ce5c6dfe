"""Names of counters as Prism learns them: those of one answer at a time."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.runners.worker import sdk_worker

__all__ = ["OneAtATime", "learned_one_at_a_time"]

_PATIENCE = 2.0
"""Seconds that an engine may take to ask for a name."""
_SETTLING = 0.05
"""Seconds in which it has surely written down what it was told."""


class OneAtATime(sdk_worker.ShortIdCache):
    """Short ids of counters; only one answer at a time holds some that the engine must ask for.

    Prism (2.77) keeps a value whose name it does not know until it has asked for the name, and only
    one value of each: of two bundles that end at the same time the first one's counts are lost. So
    whoever uses new ids has them for itself until the engine knows all of them, or for `patience`
    seconds; others that need an id that is not known yet wait so long.

    It stands in for the cache of Beam's worker, of which it uses nothing but the two methods.
    """

    def __init__(self, patience: float = _PATIENCE, settling: float = _SETTLING) -> None:
        super().__init__()
        self._patience, self._settling = patience, settling
        self._changed = threading.Condition()
        self._known: set[str] = set()
        self._new: set[str] = set()
        self._owner: int | None = None

    def get_short_id(self, monitoring_info: Any) -> str:
        """Return the id of a counter; wait where another answer is making new ones known."""
        short: str = super().get_short_id(monitoring_info)
        if short not in self._known:
            self._own(short)
        return short

    def get_infos(self, short_ids: Iterable[str]) -> dict[str, Any]:
        """Return what the ids stand for: soon the engine will know them."""
        asked = list(short_ids)
        infos: dict[str, Any] = super().get_infos(asked)
        settled = threading.Timer(self._settling, self._settle, (asked,))
        settled.daemon = True
        settled.start()
        return infos

    def _own(self, short: str) -> None:
        me, until = threading.get_ident(), time.monotonic() + self._patience
        with self._changed:
            while self._owner not in (None, me) and (rest := until - time.monotonic()) > 0:
                self._changed.wait(rest)
            if short not in self._known:
                self._owner = me
                self._new.add(short)

    def _settle(self, asked: list[str]) -> None:
        with self._changed:
            self._known.update(asked)
            self._new.difference_update(asked)
            if not self._new:
                self._owner = None
            self._changed.notify_all()


@contextmanager
def learned_one_at_a_time() -> Iterator[None]:
    """Let the workers of this process name their counters so while the block lasts."""
    usual = sdk_worker.SHORT_ID_CACHE
    sdk_worker.SHORT_ID_CACHE = OneAtATime()
    try:
        yield
    finally:
        sdk_worker.SHORT_ID_CACHE = usual
