"""Bring every event to the shard that its id belongs to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import PCollection
from numpy.typing import NDArray

from schemas.packs import EventPack

__all__ = ["KeyPacks", "heads_of", "rekey", "shard_of", "shards_of"]

_ID_BYTES = 16


def shard_of(identity: bytes, shards: int) -> int:
    """Return the shard of a 16-byte digest; the same on every machine and in every release.

    >>> shard_of(bytes(7) + b"!" + bytes(8), 16)
    1
    """
    return int.from_bytes(identity[:8], "big") % shards


def shards_of(ids: Sequence[bytes], shards: int) -> NDArray[np.uint64]:
    """Return `shard_of` for each id."""
    owners: NDArray[np.uint64] = heads_of(ids) % np.uint64(shards)
    return owners


def heads_of(ids: Iterable[bytes]) -> NDArray[np.uint64]:
    """Return the first half of each 16-byte id as a number.

    >>> heads_of([bytes(7) + b"!" + bytes(8)]).tolist()
    [33]
    """
    return np.frombuffer(b"".join(ids), dtype=">u8")[::2].astype(np.uint64)


def rekey(keyed: tuple[int, EventPack], shards: int) -> Iterator[tuple[int, EventPack]]:
    """Give a pack its right key; split it if its rows belong to several shards. Empty: nothing.

    Errors: an id that is not of 16 bytes, or a column of another length, raises `ValueError`.
    """
    key, pack = keyed
    _check(pack)
    owners = shards_of(pack.ids, shards)
    found = np.unique(owners).tolist()
    if found == [key]:
        yield keyed
        return
    for shard in found:
        yield shard, pack.take(np.flatnonzero(owners == shard).tolist())


def _check(pack: EventPack) -> None:
    if set(map(len, pack.ids)) - {_ID_BYTES}:
        msg = f"EventPack.ids: an id is not a digest of {_ID_BYTES} bytes"
        raise ValueError(msg)
    columns = (pack.contents, pack.event_times, pack.raw.payloads)
    if any(len(column) != len(pack) for column in columns):
        msg = f"EventPack of {len(pack)} ids: its columns are not of the same length"
        raise ValueError(msg)
    if min(map(len, pack.contents), default=4) < 4:
        msg = "EventPack.contents: a digest has less than 4 bytes"
        raise ValueError(msg)


@dataclass
class KeyPacks(
    beam.PTransform[PCollection[tuple[int, EventPack]], PCollection[tuple[int, EventPack]]]
):
    """(any key, `EventPack`) -> (shard of its ids, `EventPack`), a pack split where it has several.

    Window, timestamp and order of rows stay.

    Args:
        shards: how many shards there are.
    """

    shards: int

    def expand(
        self, packs: PCollection[tuple[int, EventPack]]
    ) -> PCollection[tuple[int, EventPack]]:
        """Key each pack."""
        keyed: Any = packs | "Rekey" >> beam.ParDo(_Rekey(self.shards)).with_output_types(
            tuple[int, EventPack]
        )
        return keyed


class _Rekey(beam.DoFn):
    def __init__(self, shards: int) -> None:
        self._shards = shards

    def display_data(self) -> dict[str, Any]:
        return {"shards": self._shards}

    def process(self, element: tuple[int, EventPack]) -> Iterator[tuple[int, EventPack]]:
        return rekey(element, self._shards)
