"""Steps in between a local archive and who changes it: to kill, to look, to interleave."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from transforms import folder_objects

CHANGES = ("create", "put", "delete")


class Killed(BaseException):
    """The process has ended here; nothing catches this."""


@contextmanager
def steps(before: Callable[[int], None], after: Callable[[int], None]) -> Iterator[None]:
    """Call `before(n)` and `after(n)` around the n-th change of the store; they are free to act."""
    count = 0
    inside = False

    def stepped(change):
        def act(*given):
            nonlocal count, inside
            if inside:
                return change(*given)
            inside = True
            try:
                count += 1
                before(count)
                result = change(*given)
                after(count)
                return result
            finally:
                inside = False

        return act

    with ExitStack() as stack:
        for name in CHANGES:
            change = stepped(getattr(folder_objects, name))
            stack.enter_context(mock.patch.object(folder_objects, name, change))
        yield


class SimulatedTime:
    """A clock that moves when it is told to, for who asks and for the files that are created."""

    def __init__(self) -> None:
        self._micros = 1_800_000_000_000_000

    def now(self) -> int:
        return self._micros

    def pass_by(self, seconds: int) -> None:
        self._micros += seconds * 1_000_000

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Let local files have been written at this clock's time."""
        create = folder_objects.create

        def dated(path: str, data: bytes) -> bool:
            created = create(path, data)
            if created:
                os.utime(path, ns=(self._micros * 1_000, self._micros * 1_000))
            return created

        with mock.patch.object(folder_objects, "create", dated):
            yield


def nothing(step: int) -> None:
    """Do nothing."""


def kill_at(step: int) -> Callable[[int], None]:
    def act(count):
        if count == step:
            raise Killed

    return act
