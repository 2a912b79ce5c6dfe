"""Keeps Python's garbage collector out of the way of steps that make many small objects."""

import functools
import gc

__all__ = ["settle"]

_YOUNG = 100_000
"""Objects made before the collector looks at them; Python's 700 makes it look all the time.

A bundle keeps some hundred thousand that are no garbage, which are looked at several times each.
"""


@functools.cache
def settle() -> None:
    """Move all that is imported out of the collector's sight, and let it look less often.

    A worker holds half a million objects of Beam and the Google clients, and a pack of events makes
    thousands more: with Python's defaults the collector takes a quarter of the time of a batch and
    frees nothing. Cycles are still collected. Takes effect once a process, for all of it; to be
    called from a DoFn's `setup`.
    """
    gc.freeze()
    young, middle, old = gc.get_threshold()
    gc.set_threshold(max(_YOUNG, young), middle, old)
