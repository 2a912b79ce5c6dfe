"""Failures that the suite knows: one line each, whatever an engine wraps around them."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TextIO, cast

__all__ = ["known_failure", "only_their_line"]

_FAILURE = re.compile(
    r"(?:SubscriptionError|NothingWrittenError|ObjectStoreError|PseudonymError|"
    r"UnreadableFileError|BadArchiveError|LeftUndoneError|LoadFailedError|TableError|"
    r"UnfilledRowError|AuditFailedError): "
    r"(.+?)(?= \[while running|\\n|\n|$)"
)


def known_failure(error: BaseException) -> str | None:
    """Return the line of a known failure from what an engine made of it.

    >>> known_failure(RuntimeError("ObjectStoreError: x: no space [while running 'Write']"))
    'x: no space'
    """
    found = _FAILURE.findall(f"{type(error).__name__}: {error}")
    return str(found[-1]) if found else None


@contextmanager
def only_their_line(*, for_good: bool = False) -> Iterator[None]:
    """Keep what an engine logs and prints of known failures from the terminal while a job runs.

    Only for a command that prints the line itself at the end; other failures keep their traces.
    With `for_good` until the process ends: other workers may fail after the first one.
    """
    logging.basicConfig()
    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(_is_news)
    if for_good:
        sys.stderr = cast(TextIO, _Sieve(sys.stderr))
        yield
        return
    try:
        with redirect_stderr(cast(TextIO, _Sieve(sys.stderr))):
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and known_failure(error):
        return False
    return not _FAILURE.search(record.getMessage())


class _Sieve:
    """Standard error without the traces of known failures, which a worker in here prints."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._kept_back = False

    def write(self, text: str) -> int:
        """Write what tells of no known failure; `print` sends the end of its line by itself."""
        self._kept_back = bool(_FAILURE.search(text)) or (self._kept_back and text == "\n")
        return len(text) if self._kept_back else self._stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
