"""Whether the places that a job names can be used, asked at its launch and not at its end."""

import os
from typing import Any

from pipelines.options import UsageError, runs_here
from pipelines.row_options import check_rows
from schemas.credentials import BIGTABLE, PUBSUB, require_credentials
from schemas.locations import is_remote, write_problem
from transforms.check_family import check_family
from transforms.object_store import check_path
from transforms.write_cell_lines import is_one_file

__all__ = ["check_places"]

_FOLDERS = ("cells_output", "quarantine_output", "late_output", "archive_output")


def check_places(config: Any, runner: str) -> None:
    """Raise where what a job's configuration names cannot be used; nothing is made or opened.

    A configuration has `input_files`, `input_subscription` and `counters_output`, and those of the
    other places that its job knows; one that makes rows has `rows` and the `tables` they are of,
    the `contracts` that declare these, and `metrics_location` where metrics do.

    Whether a bucket, table or subscription exists only its service knows, and says when it is used.
    Of a table of Bigtable it is asked before, where a configuration has `tile_family`: what it
    writes beside the table would be there already.
    Where an engine's own machines do the work, only what this process uses is looked at.

    Raises:
        UsageError: an output cannot be written, or a table does not take the rows or the cells.
        CredentialsError: a service of Google is named, and there are no credentials.
    """
    if config.counters_output:
        _check_output("counters_output", config.counters_output, is_file=True)
    if config.input_files:
        _check_input(config.input_files)
    if sink := getattr(config, "rows", None):
        check_rows(sink, config.tables, runner, _declared(config))
    if not runs_here(runner):
        return
    # A dry run that is launched counts, and writes into none of these.
    writes = not getattr(config, "dry_run", False)
    for name in _FOLDERS if writes else ():
        path = getattr(config, name, None)
        if path:
            is_file = name == "cells_output" and is_one_file(path)
            _check_output(name, path, is_file=is_file)
    if writes and (table := getattr(config, "bigtable_table", None)):
        require_credentials(f"--bigtable_table={table}", BIGTABLE)
        if family := getattr(config, "tile_family", None):
            _check_table(table, family, config.app_profile)
    if config.input_subscription:
        require_credentials(f"--input_subscription={config.input_subscription}", PUBSUB)


def _check_table(table: str, family: str, app_profile: str | None) -> None:
    try:
        check_family(table, family, app_profile)
    except ValueError as error:
        msg = f"--bigtable_table={error}"
        raise UsageError(msg) from None


def _declared(config: Any) -> dict[str, str | None]:
    """Return the options by which the tables of a job are declared."""
    return {
        "contracts": config.contracts,
        "metrics": getattr(config, "metrics_location", None),
    }


def _check_output(name: str, path: str, *, is_file: bool) -> None:
    try:
        check_path(path)
    except ValueError as error:
        msg = f"--{name}: {error}"
        raise UsageError(msg) from None
    if is_remote(path):
        if is_file and "/" not in path.removeprefix("gs://").rstrip("/"):
            msg = f"--{name}={path}: names no file; write gs://BUCKET/FILE"
            raise UsageError(msg)
        require_credentials(f"--{name}={path}")
    elif problem := write_problem(path, is_file=is_file):
        msg = f"--{name}={path}: {problem}"
        raise UsageError(msg)


def _check_input(pattern: str) -> None:
    if pattern.startswith("gs://"):
        require_credentials(f"--input_files={pattern}")
    elif os.path.isdir(pattern):
        folder = pattern.rstrip("/")
        msg = f"--input_files={pattern}: a folder; name its files, such as '{folder}/*.ndjson'"
        raise UsageError(msg)
