"""What a kill on Flink came to: its verdict, and how many events are missing or too many."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from local.check_rows import Found

__all__ = ["miscounted", "verdict"]


def verdict(wrong_rows: int, unacknowledged: int, restored: int) -> str:
    """Return what a kill came to, in words; one that Flink did not notice has shown nothing.

    >>> verdict(0, 0, 2), verdict(0, 0, 0)
    ('exact', 'exact, nothing restored')
    """
    if wrong_rows:
        return "fell short"
    if unacknowledged > 0:
        return "exact, not all acknowledged"
    return "exact" if restored else "exact, nothing restored"


def miscounted(truth: Mapping[str, Any], cells: Iterable[Found]) -> tuple[int, int]:
    """Return how many events are missing and too many, by the feature of which most are.

    A tile's version tells how many events it counts, so a value need not be read. Rows that ids in
    conflict touch are left out.
    """
    lengths = truth["tile_ms"]
    held: dict[tuple[str, str, int], int] = defaultdict(int)
    for key, family, name, timestamp, _ in cells:
        length = lengths.get(key.split("#")[1], {}).get(name) if family == "t" else None
        if length:
            start, count = divmod(timestamp // 1_000, length)
            place = (key, name, start * length)
            held[place] = max(held[place], count)
    lost: Counter[str] = Counter()
    surplus: Counter[str] = Counter()
    for key, (row, *others) in truth["rows"].items():
        tiles = {} if others or "if" in row else row["tiles"]
        for name, of_feature in tiles.items():
            # One feature of one entity counts an event once; of two entities both may.
            counting = f"{key.split('#')[1]}.{name}"
            for start, content in of_feature.items():
                missing = content["n"] - held[key, name, int(start)]
                lost[counting] += max(0, missing)
                surplus[counting] += max(0, -missing)
    return max(lost.values(), default=0), max(surplus.values(), default=0)
