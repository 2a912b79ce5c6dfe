"""Chooses the inputs that are kept: the smallest that reach each line, and reduced crashes."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from chaos.fuzz_target import Target

__all__ = ["keep", "reached"]

_ROOT = Path(__file__).parents[1]
_ROOMS = tuple(f"{_ROOT / room}/" for room in ("schemas", "transforms", "pipelines", "console"))
_MOST_BYTES = 16_000
_LONGEST = 4_000
_Step = tuple[str, int, int]


def keep(target: Target, found: Path, crashes: Path, kept: Path) -> int:
    """Add to the kept inputs of a target those that reach what none of them does; their number.

    The seeds are made anew in each run, so what they reach needs no input.
    """
    kept.mkdir(parents=True, exist_ok=True)
    known: set[_Step] = set()
    here = sorted(kept.iterdir())
    for data in [*target.seeds(), *(path.read_bytes() for path in here)]:
        known |= reached(target.check, data)
    size, added = sum(path.stat().st_size for path in here), 0
    chosen = sorted(found.iterdir(), key=lambda path: (path.stat().st_size, path.name))
    for path in (*sorted(crashes.glob("*.bin")), *chosen):
        data = path.read_bytes()
        if len(data) > _LONGEST or size + len(data) > _MOST_BYTES:
            continue
        more = reached(target.check, data) - known
        if more or path.suffix == ".bin":
            (kept / path.stem[:16]).write_bytes(data)
            known |= more
            size, added = size + len(data), added + 1
    return added


def reached(check: Callable[[bytes], None], data: bytes) -> set[_Step]:
    """Return the steps from line to line that an input takes in the suite."""
    steps: set[_Step] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(_ROOMS):
            return None
        last = frame.f_lineno

        def line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            steps.add((file, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        check(data)
    except Exception:  # noqa: S110 (whether it crashes is looked at elsewhere)
        pass
    finally:
        sys.settrace(before)
    return steps
