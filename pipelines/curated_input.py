"""The options by which windows are computed of curated rows instead of the raw archive."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipelines import shared_options as shared
from pipelines.option_words import Kind, Words
from pipelines.options import UsageError, moment, path, refuse_idle, required, text
from pipelines.replay_options import ReplayConfig
from schemas.contract import load_contracts
from schemas.credentials import BIGQUERY, require_credentials
from schemas.locations import is_remote
from schemas.metric import REJECTS, Metric
from schemas.replay_plan import readable
from schemas.silver_tables import silver_table
from schemas.table_names import Datasets
from schemas.tables import TableError
from transforms.bigquery_connection import bigquery_client
from transforms.check_tables import check_tables
from transforms.object_store import check_path

__all__ = ["CURATED", "SOURCES", "CuratedInput", "check_curated", "curated_input", "curated_replay"]

CURATED = {
    "input_rows": Words("folder that --rows_output of the curated events wrote", Kind.FOLDER),
    "input_bigquery_project": Words("project of the curated tables", Kind.PROJECT),
    "input_dataset_prefix": Words("stands before the names of their datasets", example="dev_"),
    "complete_until": Words(
        "RFC 3339 time: all that was published before it is in the curated rows", Kind.MOMENT
    ),
}
"""The options, for `add_options`."""

SOURCES = ("input_archive", "input_rows", "input_bigquery_project")
"""The options that name what windows are computed of; one is given."""

_IDLE = ("source", "on_bad_object", "events_per_worker_second", "max_input_bytes", "dry_run")


class CuratedInput(NamedTuple):
    """Where curated rows are: a folder or tables; complete for what was published until then."""

    source: str | Datasets
    complete_until: int

    @property
    def name(self) -> str:
        """What is read, in words."""
        if isinstance(self.source, Datasets):
            return f"{self.source.project}.{self.source.prefix}silver"
        return self.source


def curated_input(given: Any) -> CuratedInput | None:
    """Check and convert the options; None where the archive is named instead.

    Raises:
        UsageError: one line that names the option and the remedy.
    """
    refuse_idle(given, {"input_bigquery_project": ("input_dataset_prefix",)})
    chosen = shared.only_one(given, SOURCES)
    if chosen == "input_archive":
        if text(given.complete_until):
            msg = "--complete_until is for curated rows: the archive has a marker; leave it out"
            raise UsageError(msg)
        return None
    idle = next((name for name in _IDLE if text(_given(given, name))), None)
    if idle:
        msg = f"--{idle} goes with --input_archive, not with --{chosen}: leave it out"
        raise UsageError(msg)
    remedy = "nothing in the rows says that they are all there; give the time until which they are"
    until = moment("complete_until", required("complete_until", given.complete_until, remedy))
    assert until is not None
    return CuratedInput(_source(given, chosen == "input_rows"), until)


def curated_replay(
    curated: CuratedInput, given: Any, now: int, max_future: int, horizon: int
) -> ReplayConfig:
    """Return the span and the run, as of a replay of an archive that repairs."""
    # Its place is not looked at before an archive is planned, and this one never is.
    given.input_archive = "rows"
    replay = ReplayConfig.of(given, now, max_future, horizon, repair=True)
    assert replay is not None
    return dataclasses.replace(replay, archive=curated.name, source="curated")


def check_curated(
    curated: CuratedInput, replay: ReplayConfig, metrics: Sequence[Metric], location: str | None
) -> None:
    """Refuse what curated rows cannot tell, or cannot tell yet.

    Args:
        curated: where they are.
        replay: the span that is asked for.
        metrics: that are to be computed.
        location: of the contracts.

    Raises:
        UsageError: one line with the reason and the remedy.
        CredentialsError: a service of Google is named, and there are no credentials.
    """
    for metric in metrics:
        if metric.source == REJECTS:
            msg = (
                f"metric {metric.name} is of rejects, which curated rows do not hold: name the"
                " others by --metrics, or read the archive (--input_archive)"
            )
            raise UsageError(msg)
    if problem := _not_closed(curated, replay, time.time_ns() // 1000):
        msg = f"--complete_until={readable(curated.complete_until)}: {problem}"
        raise UsageError(msg)
    if isinstance(curated.source, str):
        if is_remote(curated.source):
            require_credentials(f"--input_rows={curated.source}")
        return
    contracts = load_contracts(location)
    types = sorted({name for metric in metrics for name in metric.event_types})
    require_credentials(f"--input_bigquery_project={curated.source.project}", BIGQUERY)
    try:
        tables = [silver_table(contracts, name) for name in types]
        check_tables(bigquery_client(curated.source.project), curated.source, tables)
    except TableError as error:
        msg = f"--input_bigquery_project={curated.source.project}: {error}"
        raise UsageError(msg) from None


def _not_closed(curated: CuratedInput, replay: ReplayConfig, clock: int) -> str | None:
    """Return why the span is not closed yet: the rules of the archive's marker."""
    end = replay.span.end
    needed = max(replay.span.published_to, end + 2 * replay.horizon)
    if curated.complete_until > clock:
        return "that is still to come; give a time that has passed"
    if curated.complete_until < needed:
        return (
            f"it must be {readable(needed)} or later for --to={readable(end)}: events come late"
            " (--max_lateness), and a live job writes for two horizons; end the span sooner"
        )
    return None


def _source(given: Any, is_files: bool) -> str | Datasets:
    try:
        if is_files:
            return check_path(path(given.input_rows) or "").rstrip("/")
        prefix = text(given.input_dataset_prefix) or ""
        return Datasets(text(given.input_bigquery_project) or "", prefix)
    except (ValueError, TableError) as error:
        msg = f"--{'input_rows' if is_files else 'input_bigquery_project'}: {error}"
        raise UsageError(msg) from None


def _given(given: Any, name: str) -> Any:
    return shared.dry_run(given) or None if name == "dry_run" else getattr(given, name)
