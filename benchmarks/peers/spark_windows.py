"""Stateful dedupe and event-time windows of a minute, counted by type, in PySpark.

Structured streaming: `dropDuplicatesWithinWatermark` with the horizon as watermark, windows told
once the watermark has passed them, from files to files, all that is there in one batch. No Python
runs within it. The session is started and warmed up by one untimed run on the same input. Nothing
listens anywhere but on loopback.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as sql
from pyspark.version import __version__ as spark_version

from benchmarks.contender import digest, main

__all__ = ["begin", "run"]

_LOOPBACK = "127.0.0.1"
_SCHEMA = "event_id STRING, event_type STRING, event_timestamp TIMESTAMP"
_HORIZON = "1 day"
_LAST = '{"event_id":"last","event_type":"last","event_timestamp":"2100-01-01T00:00:00Z"}\n'
"""Windows are told when something has come that is so much later: this never is."""
_SETTINGS = {
    "spark.driver.bindAddress": _LOOPBACK,
    "spark.driver.host": _LOOPBACK,
    "spark.driver.memory": "4g",
    "spark.sql.session.timeZone": "UTC",
    # As many as cores: the default of 200 is for clusters.
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def begin(path: str) -> dict[str, str]:
    """Start the session, and run once."""
    os.environ.update(SPARK_LOCAL_IP=_LOOPBACK, PYSPARK_PYTHON=sys.executable)
    run(path)()
    java = _session()._jvm.System.getProperty("java.version")
    return {"PySpark": spark_version, "Java": java}


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    folder = Path(tempfile.mkdtemp())
    given, counted = folder / "given", folder / "counted"
    given.mkdir()
    (given / "events.ndjson").symlink_to(path)
    (given / "last.ndjson").write_text(_LAST)
    events = _session().readStream.schema(_SCHEMA).json(str(given))
    unique = events.withWatermark("event_timestamp", _HORIZON).dropDuplicatesWithinWatermark(
        ["event_id"]
    )
    counts = unique.groupBy("event_type", sql.window("event_timestamp", "1 minute")).count()
    writing = counts.writeStream.format("json").outputMode("append").trigger(availableNow=True)
    query = writing.option("checkpointLocation", str(folder / "state")).start(str(counted))
    query.awaitTermination()
    return lambda: _digest_of(folder, counted)


def _session() -> SparkSession:
    return SparkSession.builder.master("local[2]").config(map=_SETTINGS).getOrCreate()


def _digest_of(folder: Path, counted: Path) -> str:
    rows = [
        json.loads(line)
        for file in counted.glob("part-*")
        for line in file.read_text().splitlines()
    ]
    shutil.rmtree(folder)
    return digest(
        (row["event_type"], _minute(row["window"]["start"]), row["count"]) for row in rows
    )


def _minute(time: str) -> int:
    return int(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()) // 60


if __name__ == "__main__":
    main(run, begin)
