"""Cells -> mutations: each line of the input stands for a row of five cells.

Timed is the way from `RowChange` to the encoded entries of a request; reading and making the cells
is not. The peer is `benchmarks.peers.direct_rows`.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from google.cloud.bigtable_v2.types import bigtable

from benchmarks.memory import peak_mb
from schemas.cells import Cell, RowChange
from transforms.mutation_batch import encode_row

__all__ = ["changes_of", "digest_of", "main"]

_CELLS = (("s", "last_event"), ("s", "country"), ("t", "events"), ("t", "spent"), ("t", "lessons"))
_HOUR = 3_600_000_000


def changes_of(path: str) -> list[RowChange]:
    """Make one change of each line, from a digest of it."""
    return [_change(line) for line in Path(path).read_bytes().splitlines()]


def digest_of(rows: Iterable[tuple[bytes, Any]]) -> str:
    """Return a digest of (row key, mutation messages) in their order."""
    digest = hashlib.sha256()
    for row_key, mutations in rows:
        digest.update(row_key)
        for mutation in mutations:
            digest.update(mutation.SerializeToString(deterministic=True))
    return digest.hexdigest()[:32]


def main(
    prepare: Callable[[list[RowChange]], Any],
    build: Callable[[Any], Any],
    read: Callable[[Any], Iterable[tuple[bytes, Any]]],
) -> None:
    """Time `build` alone; `prepare` gives it the cells in its form, `read` reads the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    given = prepare(changes_of(options.input))
    begun = time.perf_counter()
    built = build(given)
    seconds, most = time.perf_counter() - begun, peak_mb()
    result = digest_of(read(built))
    found = {"seconds": seconds, "events": len(given), "peak_mb": most, "result": result}
    each = f"{seconds / len(given) * 1e6:.2f} us a row"
    print(json.dumps(found) if options.json else f"{each}; result {found['result']}")


def _change(line: bytes) -> RowChange:
    seed = hashlib.sha256(line).digest()
    start = 1_700_000_000_000_000 // _HOUR * _HOUR
    cells = [
        Cell(family, qualifier, start + seed[i] * _HOUR + seed[i + 5] * 1_000, seed[i : i + 8])
        for i, (family, qualifier) in enumerate(_CELLS)
    ]
    return RowChange(b"%s#user#%s" % (seed.hex()[:2].encode(), seed.hex().encode()), cells)


def _build(changes: list[RowChange]) -> list[bytes]:
    return [encode_row(change).entry for change in changes]


def _read(entries: list[bytes]) -> Iterable[tuple[bytes, Any]]:
    request = bigtable.MutateRowsRequest.pb().FromString(b"".join(entries))
    return ((entry.row_key, entry.mutations) for entry in request.entries)


if __name__ == "__main__":
    main(list, _build, _read)
