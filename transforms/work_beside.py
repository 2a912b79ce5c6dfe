"""Runs calls beside a bundle, in a thread: compressing, digesting and writing need no turn."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["WorkBeside"]

_Result = TypeVar("_Result")


class WorkBeside(Generic[_Result]):
    """Calls of one bundle, begun one after the other; results come back in their order.

    To be made in a DoFn's `setup`, as threads cannot be pickled; `begin` belongs into
    `start_bundle`, `drain` into `finish_bundle` and `close` into `teardown`. What a call raises is
    raised where its result is asked for, so a bundle never ends before its calls have.

    >>> beside = WorkBeside(most=1)
    >>> [*beside.put(lambda: 1), *beside.put(lambda: 2), *beside.put(lambda: 3)]
    [1, 2]
    >>> [*beside.drain()]
    [3]

    Args:
        most: how many calls may be open before one is waited for; they hold what they are given.
        threads: how many calls are made at a time; more than one help where they wait for a disk.
    """

    def __init__(self, most: int, threads: int = 1) -> None:
        self._most = most
        self._pool = ThreadPoolExecutor(max_workers=threads)
        self._open: deque[Future[_Result]] = deque()

    def begin(self) -> None:
        """Forget the calls of a bundle that failed; they end, and nobody asks what came of them."""
        self._open.clear()

    def put(self, call: Callable[[], _Result]) -> Iterator[_Result]:
        """Begin a call; return the results for which there is no more room."""
        self._open.append(self._pool.submit(call))
        while len(self._open) > self._most:
            yield self._open.popleft().result()

    def drain(self) -> Iterator[_Result]:
        """Return the results of all calls."""
        while self._open:
            yield self._open.popleft().result()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()
