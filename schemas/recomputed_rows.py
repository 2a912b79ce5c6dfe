"""The rows of `ops.recomputed`: windows of which a recomputation is the last word."""

import hashlib
from collections.abc import Iterator

import msgspec

from schemas.bigquery_json import encode_json
from schemas.coverage import Coverage
from schemas.metric import window_name
from schemas.ops_tables import RECOMPUTED
from schemas.row_packs import RowPack
from schemas.silver_rows import stamp

__all__ = ["recomputed_rows"]

_ROWS_A_PACK = 500


def recomputed_rows(
    metric: str, length: int, span: Coverage, generation: int, run: str
) -> Iterator[RowPack]:
    """Yield packs with a row for each window of a length that lies wholly inside a closed span.

    >>> [len(pack) for pack in recomputed_rows("m", 60_000_000, Coverage(1, 180_000_000), 7, "r")]
    [2]
    """
    start, end = span.whole_tiles(length)
    starts = range(start, end, length)
    for first in range(0, len(starts), _ROWS_A_PACK):
        rows = [
            encode_json(
                {
                    "metric": metric,
                    "window": window_name(length),
                    "window_start": msgspec.Raw(stamp(each)),
                    "generation": generation,
                    "run": run,
                }
            )
            for each in starts[first : first + _ROWS_A_PACK]
        ]
        ids = [hashlib.blake2b(row, digest_size=16).hexdigest() for row in rows]
        yield RowPack(RECOMPUTED.full_name, rows, ids)
