"""The benchmarks: what is compared with what, on which input, and the targets."""

from benchmarks import oracles
from benchmarks.harness import Contender, Peer, Row
from benchmarks.inputs import Input

__all__ = ["ROWS"]

ROWS = (
    Row(
        "hot_path",
        "file to cells, shipped features, batch",
        Input(200_000),
        Contender("hot path", "bench_hot_path"),
        (Peer(Contender("json.loads, state per id, CombinePerKey", "peers.hot_path_naive"), 5),),
        oracles.hot_path_cells,
    ),
    Row(
        "mutations",
        "cells to mutations, rows of five cells",
        Input(200_000),
        Contender("WriteCells", "bench_mutations"),
        (Peer(Contender("DirectRow, one cell per field", "peers.direct_rows"), 2),),
        None,
    ),
)
"""In the order in which they run."""
