"""From the stacks of a sampling profiler to few and stable ones: what is ours, frame by frame.

A stack is one line, `outermost;...;innermost samples`, as profilers write it ("folded").
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

__all__ = ["LIMIT", "condensed", "owner_of", "read_folded", "shares", "written"]

OURS = ("benchmarks", "schemas", "transforms", "pipelines", "local")
LIMIT = 0.0005
"""The share of all samples that a stack needs to be kept."""

_FRAME = re.compile(r"(?P<name>.*) \((?P<file>[^()]*?)(?::\d+)?\)\Z")
_SLEEPING = ("clock_nanosleep", "nanosleep", "epoll_wait", "pthread_cond_timedwait")
_WAITING = ("Condition.wait ", "ProcessTree._look_often ")
_VERSIONS = re.compile(r"(\.cpython-\w+)?(-[\w-]+)?\.so[.\d]*\Z")
_PYTHON = "python"

Stacks = Mapping[tuple[str, ...], int]
"""Samples by stack, the outermost frame first."""


def read_folded(text: str) -> Counter[tuple[str, ...]]:
    """Read the lines of a profiler.

    >>> read_folded("main (a.py:3);work (b.py:7) 5")
    Counter({('main (a.py:3)', 'work (b.py:7)'): 5})
    """
    found: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        stack, _, samples = line.rpartition(" ")
        if stack:
            found[tuple(stack.split(";"))] += int(samples)
    return found


def condensed(stacks: Stacks, begins: str) -> Counter[tuple[str, ...]]:
    """Keep what the frame that ends with `begins` caused, and what ran in other threads.

    Of the frames of the suite each stays. Those of a library that follow each other become one with
    its name, and native ones go, but for the innermost of a stack, which tells what is done there.
    Line numbers and addresses go, so that two runs have the same stacks.

    >>> stacks = {("main (m.py:1)", "run (benchmarks/b.py:2)", "f (beam/a.py:3)",
    ...            "g (beam/b.py:4)", "h (schemas/s.py:5)", "memcpy (libc.so.6)"): 7}
    >>> [*condensed(stacks, "(benchmarks/b.py)")]
    [('run (benchmarks/b.py)', 'beam', 'h (schemas/s.py)', 'memcpy (libc)')]
    """
    found: Counter[tuple[str, ...]] = Counter()
    for stack, samples in stacks.items():
        frames = [_plain(frame) for frame in stack]
        own = [at for at, frame in enumerate(frames) if frame.startswith("run ")]
        own = [at for at in own if frames[at].endswith(begins)]
        threads = any(frame.startswith("Thread.run ") for frame in frames)
        if not (own or threads) or _is_idle(frames):
            continue
        kept = frames[own[0] :] if own else ["other threads", *frames]
        found[tuple(_merged(kept))] += samples
    return found


def owner_of(frame: str) -> str:
    """Return the library of a frame, `ours`, or "" for native code of nobody in particular.

    >>> owner_of("f (apache_beam/pipeline.py)"), owner_of("g (schemas/a.py)"), owner_of("h (libc)")
    ('apache_beam', 'ours', '')
    """
    match = _FRAME.match(frame)
    if match is None:
        return frame
    package, slash, _ = match["file"].partition("/")
    if not slash:
        return _PYTHON if match["file"].endswith(".py") or package.startswith("<") else ""
    return "ours" if package in OURS else package


def shares(stacks: Stacks) -> Iterator[tuple[str, float, float]]:
    """Yield each frame, the share of samples below it, and of those in itself; greatest first."""
    total = sum(stacks.values())
    below: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for stack, samples in stacks.items():
        inside[stack[-1]] += samples
        for frame in set(stack):
            below[frame] += samples
    for frame, samples in below.most_common():
        yield frame, samples / total, inside[frame] / total


def written(stacks: Stacks) -> str:
    """Return stacks as lines, in order; those below the limit as one."""
    least = LIMIT * sum(stacks.values())
    kept = {";".join(stack): samples for stack, samples in stacks.items() if samples >= least}
    rest = sum(stacks.values()) - sum(kept.values())
    lines = [f"{stack} {samples}\n" for stack, samples in sorted(kept.items())]
    return "".join([*lines, f"smaller stacks {rest}\n"] if rest else lines)


def _is_idle(frames: list[str]) -> bool:
    """Return whether a thread waits, or is the one that measures the memory of a contender."""
    sleeps = frames[-1].partition(" ")[0] in _SLEEPING
    return sleeps or any(frame.startswith(_WAITING) for frame in frames)


def _plain(frame: str) -> str:
    match = _FRAME.match(frame)
    if match is None:
        return frame
    # What a path begins with is of this machine, and an address of this run.
    file = match["file"].rpartition("/")[2] if match["file"].startswith("/") else match["file"]
    name = "?" if match["name"].startswith("0x") else match["name"].replace(".<locals>", "")
    return f"{name} ({_VERSIONS.sub('', file)})"


def _merged(frames: Iterable[str]) -> Iterator[str]:
    last = previous = ""
    for frame in frames:
        owner, last = owner_of(frame), frame
        if owner == "ours":
            previous = frame
            yield frame
        elif owner not in ("", _PYTHON, previous):
            previous = owner
            yield owner
    if owner_of(last) != "ours":
        yield last
