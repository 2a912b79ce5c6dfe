"""Options that stand on the command line of several jobs, with their words for `--help`."""

from pipelines.option_words import Kind, Words
from schemas.archive_avro import CODECS

__all__ = [
    "CELLS",
    "CODEC",
    "COVERS_FROM",
    "DECLARED",
    "EVENT_BOUNDS",
    "OUTPUTS",
    "RUN",
    "SOURCE",
    "TABLE",
]

SOURCE = {
    "input_subscription": Words(
        "Pub/Sub subscription to read, projects/P/subscriptions/S", Kind.SUBSCRIPTION
    ),
    "input_files": Words("NDJSON files to read: a path or glob, .gz too", Kind.FILES),
}
TABLE = {
    "app_profile": Words("Bigtable app profile", example="batch-writes"),
    "flow_control": Words("true: let Bigtable slow batch writes down", Kind.FLAG, default="false"),
}
"""They go with a table."""

CELLS = {
    "bigtable_table": Words(
        "Bigtable table to write, projects/P/instances/I/tables/T", Kind.BIGTABLE
    ),
    "cells_output": Words("folder for the same cells as NDJSON", Kind.OUTPUT_FOLDER),
}

CODEC = Words("codec of objects", Kind.CHOICE, default="zstd", choices=tuple(CODECS))

COVERS_FROM = Words(
    "from when on the input is whole: launch, beginning or an RFC 3339 time", example="beginning"
)

OUTPUTS = {
    "quarantine_output": Words(
        "folder for what was refused, with its bytes",
        Kind.OUTPUT_FOLDER,
        example="gs://my-bucket/quarantine",
        needed=True,
    ),
    "counters_output": Words(
        "file for the counters of a run that ends", Kind.OUTPUT_FILE, awaited=True
    ),
}

DECLARED = {
    "contracts": Words(
        "folder of contracts (default: the shipped ones)",
        Kind.FILE_OR_FOLDER,
        example="gs://my-bucket/contracts",
    ),
    "features": Words(
        "folder or file of features (default: shipped)",
        Kind.FILE_OR_FOLDER,
        example="gs://my-bucket/features",
    ),
    "pseudonym_key": Words(
        "where the key of pseudonyms is, or the ring of keys: projects/P/secrets/S/versions/V,"
        " file:PATH or env:NAME",
        Kind.SECRET,
    ),
}
EVENT_BOUNDS = {
    "max_future": Words("how far ahead an event may be", Kind.DURATION, default="1d"),
    "max_event_bytes": Words("largest payload", Kind.SIZE, default="1MB"),
}
RUN = {
    "shards": Words("parallelism of the stateful steps", Kind.COUNT, default="16"),
    "now": Words("RFC 3339 time of the launch (default: the clock)", Kind.MOMENT),
}
