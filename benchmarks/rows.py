"""The benchmarks: what is compared with what, on which input, and the targets."""

from benchmarks import oracles, window_oracles
from benchmarks.harness import Contender, Peer, Row
from benchmarks.inputs import Archived, Input
from benchmarks.pubsub_load import digest_of_lines

__all__ = ["ROWS"]

_LOOP = "plain Python and msgspec"
_READ_AVRO = Peer(Contender("ReadFromAvro, json.loads, GroupByKey, Count", "peers.read_avro"), 5)


def _bytewax(name: str, module: str) -> Contender:
    return Contender(name, module, tool="bytewax", apart=True)


ROWS = (
    Row(
        "distinct_count",
        "dedupe and count per type and minute, batch",
        Input(1_000_000),
        Contender("packed", "bench_distinct_count"),
        (
            Peer(Contender("Distinct, json.loads, WindowInto, Count", "peers.distinct_count"), 15),
            Peer(Contender("one loop, a set, a counter", "peers.plain_loop", tool=_LOOP), 0.35),
            Peer(
                Contender("count(DISTINCT), all cores", "peers.duckdb_count", tool="duckdb"), None
            ),
        ),
        oracles.counts_by_minute,
    ),
    Row(
        "bytewax_count",
        "dedupe and count per type and minute, batch, beside bytewax",
        Input(1_000_000),
        Contender("packed", "bench_distinct_count"),
        (
            Peer(_bytewax("state per id, count_final", "peers.bytewax_count"), 3),
            Peer(_bytewax("16 sets of ids, count_final", "peers.bytewax_shards"), None),
        ),
        oracles.counts_by_minute,
    ),
    Row(
        "stream_count",
        "dedupe with a horizon and counts per type and minute, as streams",
        Input(1_000_000),
        Contender("DeduplicatePacks, windows, FnApiRunner", "bench_stream_count"),
        (
            Peer(
                Contender(
                    "dropDuplicatesWithinWatermark, window, local[2], warm",
                    "peers.spark_windows",
                    tool="PySpark structured streaming",
                    apart=True,
                ),
                2,
            ),
            Peer(_bytewax("state per id, count_window", "peers.bytewax_windows"), 3),
            Peer(Contender("ours on Prism, its start included", "bench_stream_count_prism"), None),
        ),
        oracles.counts_by_minute,
    ),
    Row(
        "deduplicate",
        "exact stateful dedupe with a horizon",
        Input(200_000),
        Contender("DeduplicatePacks", "bench_deduplicate"),
        (
            Peer(
                Contender(
                    "DeduplicatePerKey, state cache off", "peers.deduplicate_per_key_uncached"
                ),
                10,
            ),
            Peer(
                Contender("DeduplicatePerKey, as shipped", "peers.deduplicate_per_key"),
                150,
                Input(5_000),
            ),
        ),
        oracles.unique_ids,
    ),
    Row(
        "hot_path",
        "file to cells, shipped features, batch",
        Input(200_000),
        Contender("hot path", "bench_hot_path"),
        (Peer(Contender("json.loads, state per id, CombinePerKey", "peers.hot_path_naive"), 8),),
        oracles.hot_path_cells,
    ),
    Row(
        "curate",
        "file to load files of curated events, batch",
        Input(1_000_000),
        Contender("curated events", "bench_curate"),
        (Peer(Contender("Distinct, json.loads, WriteToText by type", "peers.curate_naive"), 4),),
        oracles.curated_rows,
    ),
    Row(
        "window_count",
        "event-time windows of a minute, counts by type, from a file",
        Input(200_000, duplicate=0),
        Contender("metrics job", "bench_window_count"),
        (Peer(Contender("json.loads, WindowInto, CombinePerKey", "peers.window_combine"), 3),),
        oracles.counts_by_minute,
    ),
    Row(
        "window_measures",
        "raw archive to the panes of 1 and 5 minutes, shipped metric activity",
        Archived(200_000),
        Contender("metrics job", "bench_window_measures"),
        (
            Peer(
                Contender(
                    "ReadFromAvro, GroupByKey, WindowInto, CombinePerKey", "peers.window_measures"
                ),
                5,
            ),
        ),
        window_oracles.activity_by_window,
    ),
    Row(
        "mutations",
        "cells to mutations, rows of five cells",
        Input(200_000),
        Contender("WriteCells", "bench_mutations"),
        (Peer(Contender("DirectRow, one cell per field", "peers.direct_rows"), 2),),
        None,
    ),
    Row(
        "read_messages",
        "Pub/Sub subscription to messages, local engines",
        Input(40_000),
        Contender("own source, Prism", "bench_read_messages"),
        (
            Peer(
                Contender("Beam's source, bundle-based runner", "peers.read_pubsub_beam"),
                20,
                Input(3_000),
            ),
        ),
        digest_of_lines,
    ),
    Row(
        "message_to_event",
        "Pub/Sub's serialised messages to events: checked by contract, and merely parsed",
        Input(200_000),
        Contender("raw_pack, read_pack", "bench_message_to_event"),
        (
            Peer(
                Contender("PubsubMessage._from_proto_str, json.loads", "peers.message_to_event"),
                10,
            ),
        ),
        None,
    ),
    Row(
        "archive",
        "files to the raw archive, zstd",
        Input(1_000_000),
        Contender("archive job", "bench_archive"),
        (
            Peer(Contender("json.loads, WriteToAvro, deflate, one file", "peers.write_avro"), 4),
            Peer(Contender("the same, num_shards=16", "peers.write_avro_sharded"), 4, lighter=True),
        ),
        oracles.every_event,
    ),
    Row(
        "replay",
        "raw archive to counts per type and minute, each id once",
        Archived(1_000_000),
        Contender("ReadArchive, DeduplicatePacks", "bench_replay"),
        (_READ_AVRO,),
        oracles.counts_by_minute,
    ),
    Row(
        "replay_decoded",
        "the same, events checked by their contracts",
        Archived(1_000_000),
        Contender("ReadArchive, DecodePacks, DeduplicatePacks", "bench_replay_decoded"),
        (_READ_AVRO,),
        oracles.counts_by_minute,
    ),
)
"""In the order in which they run."""
