"""Reads a block of messages that are all alike but for what they say: as most blocks are.

Without attributes and ordering keys, with ids of one length and payloads of text, a row has two
zeros: before the id, and at its end. They are found all at once, and that every row is as long as
it says is checked of all rows at once as well; Python is left with cutting out what is handed on.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["UsualRows", "usual_rows", "usual_times"]

_MORE = 1 << 7
_LONG = _MORE >> 1
"""Characters of an id whose length, in zigzag, takes more than a byte."""
_HEAD = 2
"""Between payload and id: no attributes, and the id's length in a byte."""
_TIME = 8
"""In bytes, of a publish time of 1978 to 3111."""
_TOP_BITS = np.uint64(0x8080808080808080)
_GOES_ON = np.uint64(0x0080808080808080)
"""The top bits of a number of eight bytes: all but the last say that there is more."""
_SQUEEZE = tuple(
    (np.uint64(stays), np.uint64(shift), np.uint64(comes))
    for stays, shift, comes in (
        (0x007F007F007F007F, 1, 0x3F803F803F803F80),
        (0x00003FFF00003FFF, 2, 0x0FFFC0000FFFC000),
        (0x000000000FFFFFFF, 4, 0x00FFFFFFF0000000),
    )
)
"""How groups of 7 bits move together: what stays, by how much the rest moves, and where it goes."""


class UsualRows(NamedTuple):
    """The columns of a block without attributes and ordering keys."""

    payloads: list[bytes]
    ids: list[str]
    times: list[int]


def usual_rows(block: bytes, count: int) -> UsualRows | None:
    r"""Read the records of a block; None where they are not all alike, or no records at all.

    >>> usual_rows(b"\x02a\x00\x02m\x80\x80\x80\x80\x80\x80\x80\x01\x00", 1).ids
    ['m']
    """
    bytes_ = np.frombuffer(block, np.uint8)
    are_zero = bytes_ == 0
    # Counted first: the places take eight times the memory of a block that is all zeros.
    if not count or np.count_nonzero(are_zero) != 2 * count:
        return None
    zeros = np.flatnonzero(are_zero)
    if zeros[-1] + 1 != len(block):
        return None
    ends, lasts = zeros[::2], zeros[1::2]
    begins = _begins(bytes_, np.concatenate([[0], lasts[:-1] + 1]), ends)
    letters = int(bytes_[ends[0] + 1])
    size = letters >> 1
    follows = _HEAD + size + _TIME
    if begins is None or not 1 <= size < _LONG or (lasts - ends != follows).any():
        return None
    tails = sliding_window_view(bytes_, follows)[ends]
    if (tails[:, 1] != letters).any():
        return None
    try:
        times = usual_times(tails[:, _HEAD + size :].tobytes(), count)
        text = tails[:, _HEAD : _HEAD + size].tobytes().decode("ascii")
    except ValueError:
        return None
    payloads = [block[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
    ids = [text[start : start + size] for start in range(0, count * size, size)]
    return UsualRows(payloads, ids, times)


def usual_times(stamps: bytes, count: int) -> list[int]:
    """Read numbers of eight bytes, all at once; `ValueError`: that is not what they are."""
    bits: NDArray[np.uint64] = np.frombuffer(stamps, "<u8")
    if len(bits) != count or bool(((bits & _TOP_BITS) != _GOES_ON).any()):
        msg = "numbers of other lengths"
        raise ValueError(msg)
    bits = bits & ~_TOP_BITS
    for stays, shift, comes in _SQUEEZE:
        bits = bits & stays | bits >> shift & comes
    signs = -(bits & np.uint64(1)).astype(np.int64)
    times: list[int] = ((bits >> np.uint64(1)).astype(np.int64) ^ signs).tolist()
    return times


def _begins(
    bytes_: NDArray[np.uint8], rows: NDArray[np.intp], ends: NDArray[np.intp]
) -> NDArray[np.intp] | None:
    """Return where the payloads begin; None unless each is as long as its row says.

    Args:
        bytes_: of the block, at least two behind the begin of each row.
        rows: where they begin: with the payload's length, in a byte or two.
        ends: of the payloads.
    """
    low, high = bytes_[rows].astype(np.intp), bytes_[rows + 1].astype(np.intp)
    two = low >= _MORE
    # In zigzag: half of the number is the length.
    sizes = np.where(two, low % _MORE | high << 7, low) >> 1
    begins = rows + 1 + two
    if (two & (high >= _MORE)).any() or (begins + sizes != ends).any():
        return None
    return begins
