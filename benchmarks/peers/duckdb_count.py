"""Dedupe and count per event type and minute in duckdb, with all cores.

A ceiling: compiled code on columns that knows the whole input, and keeps nothing for later.
"""

from collections.abc import Callable

import duckdb

from benchmarks.contender import digest, main

__all__ = ["run"]

_COUNT = """
SELECT event_type, epoch_us(event_timestamp) // 60000000 AS minute, count(DISTINCT event_id)
FROM read_json(?, format = 'newline_delimited', columns = {
    event_id: 'VARCHAR', event_type: 'VARCHAR', event_timestamp: 'TIMESTAMPTZ'
})
GROUP BY ALL
"""


def begin(path: str) -> dict[str, str]:
    """Nothing has to be started."""
    return {"duckdb": duckdb.__version__}


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    rows = duckdb.connect().execute(_COUNT, [path]).fetchall()
    return lambda: digest(rows)


if __name__ == "__main__":
    main(run, begin)
