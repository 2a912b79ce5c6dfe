"""Whether a recomputation of windows would have an effect: are later ones there already?"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pipelines.options import UsageError
from pipelines.window_options import WindowConfig
from schemas.coverage import Coverage
from schemas.credentials import BIGQUERY, require_credentials
from schemas.durations import parse_duration
from schemas.ops_tables import RECOMPUTED
from schemas.row_sink import RowSink
from schemas.tables import TableError
from schemas.times import micros, parse_rfc3339
from transforms.object_store import read_objects
from transforms.query_tables import query_tables

__all__ = ["refuse_idle_generation"]

_QUERY = f"""SELECT metric, `window`, window_start, generation, run
FROM {{table:{RECOMPUTED.full_name}}}
WHERE window_start >= @first AND window_start < @end"""  # noqa: S608


class _Done(NamedTuple):
    """A window that a finished recomputation is the last word of."""

    metric: str
    window: str
    start: int
    generation: int
    run: str | None


def refuse_idle_generation(config: WindowConfig) -> None:
    """Refuse a recomputation that the views would not show in all of its windows.

    They show the greatest generation. The same run and generation again is no other one: it is
    tried again. What two that run at once are doing is not known yet, and need not be: of each
    window the greater one holds wholly, whichever ends first.

    Raises:
        UsageError: a window of the span has a generation that is not less.
        CredentialsError: the tables are Google's, and there are no credentials.
        ObjectStoreError: the rows in files cannot be read.
    """
    assert config.rows is not None
    assert config.replay is not None
    mine = (config.generation, config.replay.run_id)
    lengths = {metric.name: metric.windows for metric in config.metrics}
    standing = [
        done
        for done in _done(config.rows, config.coverage)
        if done.generation >= config.generation
        and (done.generation, done.run) != mine
        and parse_duration(done.window) in lengths.get(done.metric, ())
        and config.coverage.holds(done.start, parse_duration(done.window))
    ]
    if standing:
        last = max(standing, key=lambda done: done.generation)
        msg = (
            f"--generation={config.generation}: {len(standing)} windows of the span are computed"
            f" anew already, up to generation {last.generation} (metric {last.metric}, run"
            f" {last.run}), and views would go on showing those; give a greater one, or leave it"
            " out"
        )
        raise UsageError(msg)


def _done(sink: RowSink, span: Coverage) -> Iterator[_Done]:
    if sink.datasets is None:
        yield from map(_of_row, _lines(sink.path))
        return
    require_credentials(f"--bigquery_project={sink.datasets.project}", BIGQUERY)
    try:
        for row in query_tables(sink.datasets, _QUERY, first=span.start, end=span.end):
            yield _of_row(row, micros(row["window_start"]))
    except TableError as error:
        msg = f"--bigquery_project={error}; `penstock tables create` makes {RECOMPUTED.full_name}"
        raise UsageError(msg) from None


def _lines(folder: str) -> Iterable[Mapping[str, Any]]:
    for _, content in read_objects(f"{folder}/{RECOMPUTED.full_name}", ".ndjson"):
        yield from map(json.loads, content.splitlines())


def _of_row(row: Mapping[str, Any], start: int | None = None) -> _Done:
    begins = parse_rfc3339(row["window_start"]) if start is None else start
    return _Done(row["metric"], row["window"], begins, int(row["generation"]), row.get("run"))
