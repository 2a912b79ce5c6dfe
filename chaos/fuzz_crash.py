"""Crashes of a fuzz target: told apart by where they come from, and reduced."""

import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

__all__ = ["Crashes", "reduced", "signature"]

_ROOT = Path(__file__).parents[1]
_MOST_TRIES = 2_000


class Crashes:
    """Keeps one input of each kind of crash, reduced, with its trace beside it.

    Args:
        check: What raised them.
        folder: Where the inputs go.
    """

    def __init__(self, check: Callable[[bytes], None], folder: Path) -> None:
        self._check, self._folder = check, folder
        self._counts: dict[str, int] = {}

    def add(self, data: bytes, error: BaseException) -> None:
        """Count a crash; the first of its kind is kept."""
        kind = signature(error)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] > 1:
            return
        small = reduced(data, self._check, kind)
        name = sha256(kind.encode()).hexdigest()[:12]
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{name}.bin").write_bytes(small)
        trace = "".join(traceback.format_exception(error))
        (self._folder / f"{name}.txt").write_text(f"{kind}\n\n{trace}", errors="replace")

    def told(self) -> dict[str, int]:
        """Return how often each kind came."""
        return dict(self._counts)


def signature(error: BaseException) -> str:
    """Return what tells a crash from others: its type, and the last line of the suite it left.

    Of a broken promise, the promise.
    """
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(_ROOT) and ".venv" not in frame.filename
    ]
    ours = [frame for frame in frames if Path(frame.filename).parent.name != "chaos"]
    place = "?"
    if frames:
        last = (ours or frames)[-1]
        place = f"{Path(last.filename).relative_to(_ROOT)}:{last.lineno}"
    told = f" ({error})" if isinstance(error, AssertionError) and not ours else ""
    return f"{type(error).__name__} at {place}{told}"


def reduced(data: bytes, check: Callable[[bytes], None], kind: str) -> bytes:
    """Return the least part of an input that still crashes in the same way.

    Spans are left out as long as that is so, from half of it down to single bytes.
    """
    tries, size = 0, max(len(data) // 2, 1)
    while size and tries < _MOST_TRIES:
        place, before = 0, len(data)
        while place < len(data) and tries < _MOST_TRIES:
            shorter = data[:place] + data[place + size :]
            tries += 1
            if _crash(shorter, check) == kind:
                data = shorter
            else:
                place += size
        if size > 1 or len(data) == before:
            size //= 2
    return data


def _crash(data: bytes, check: Callable[[bytes], None]) -> str | None:
    try:
        check(data)
    except Exception as error:
        return signature(error)
    return None
