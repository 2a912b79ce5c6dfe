"""The BigQuery emulator with what production refuses refused, and bytes loaded as bytes.

Usage: `python bigquery_guard.py DATA_FOLDER HOST PORT` in the environment of `bqemulator`.
Added to the stock emulator: the id of a job is taken for good, so a second job of that id is
answered by 409 once the first is done; rows with an unknown field, or without a required one, are
refused by insertAll (with the others of the request, as `stopped`) and by load jobs; a row of a
wrong type is refused and no internal error; base64 in NDJSON is decoded where the column is BYTES;
a field of a record may be named by a word of SQL; a BIGNUMERIC has 38 digits, those of its scale;
a view is told with its query, as it was given.
`gs://` is read below `DATA_FOLDER/.cloudstorage/`, where the Cloud Storage emulator keeps objects.
"""

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from bqemulator.api.routes import jobs, tabledata, tables
from bqemulator.config import PersistenceMode, Settings
from bqemulator.domain.errors import AlreadyExistsError
from bqemulator.jobs import executor
from bqemulator.server import run_forever
from bqemulator.storage import type_map
from starlette.requests import Request

__all__ = ["problem"]

_PROJECT = "penstock-local"
_KIND = "bigquery#tableDataInsertAllResponse"
_TURNS: dict[tuple[str, str], asyncio.Lock] = {}
_stock_load = executor._load_path_into_target
_stock_columns = type_map.bq_schema_to_duckdb_columns
_stock_fields_raw = tabledata._fields_raw_from_schema
_stock_parsed, _stock_told = tables._parse_schema_fields, tables._field_to_rest
_stock_arrow_type = tabledata._bq_type_to_arrow
_stock_table_told = tables._table_to_rest
_NESTED = ("RECORD", "STRUCT")
_ROWS = "loaded_rows"
_BIG = "BIGNUMERIC"
_WIDEST_SCALE = 18
_DIGITS = ("precision", "scale")


def problem(row: Mapping[str, Any], fields: Iterable[Any], path: str = "") -> tuple[str, str]:
    """Return the place and the rule that a row breaks; two empty texts of a good one."""
    known = {field.name.lower(): field for field in fields}
    for name in row:
        if name.lower() not in known:
            return path + name, f"no such field: {path}{name}."
    given = {name.lower(): value for name, value in row.items()}
    for name, field in known.items():
        value = given.get(name)
        if value is None and field.mode == "REQUIRED":
            return path + field.name, f"Missing required field: {path}{field.name}."
        if field.type in _NESTED and value is not None:
            for each in value if field.mode == "REPEATED" else [value]:
                found = problem(each, field.fields, f"{path}{field.name}.")
                if found[0]:
                    return found
    return "", ""


def _has_bytes(fields: Iterable[Any]) -> bool:
    return any(field.type == "BYTES" or _has_bytes(field.fields) for field in fields)


def _load(path: str, job: Any, context: Any) -> None:
    """Load a file; NDJSON is checked first, and decoded where there are BYTES."""
    table = context.catalog.get_table(job.project_id, job.dataset_id, job.table_id)
    if job.source_format != "NEWLINE_DELIMITED_JSON" or table is None:
        _stock_load(path, job, context)
        return
    fields = table.schema_.fields
    with Path(path).open("rb") as lines:
        rows = [orjson.loads(line) for line in lines]
    for number, row in enumerate(rows, 1):
        if (found := problem(row, fields))[0]:
            msg = f"JSON parsing error in row {number}: {found[1]}"
            raise ValueError(msg)
    if rows and _has_bytes(fields):
        _insert(rows, fields, job, context)
    elif rows:
        _stock_load(path, job, context)


def _insert(rows: list[dict[str, Any]], fields: Sequence[Any], job: Any, context: Any) -> None:
    """Insert rows as insertAll does: DuckDB's own reader takes base64 for the bytes themselves."""
    schema = tabledata._build_arrow_schema(tabledata._fields_raw_from_schema(fields))
    table = tabledata.bq_rows_to_arrow([{"json": row} for row in rows], schema)
    context.engine.connection.register(_ROWS, table)
    try:
        context.engine.execute(f"INSERT INTO {job.target_ref} SELECT * FROM {_ROWS}")  # noqa: S608
    finally:
        context.engine.connection.unregister(_ROWS)


async def _insert_all(
    project_id: str, dataset_id: str, table_id: str, request: Request, ctx: tabledata._Ctx
) -> dict[str, Any]:
    """Refuse the rows that production refuses, and the others with them unless they are skipped."""
    table = ctx.catalog.get_table(project_id, dataset_id, table_id)
    body = await request.json()
    rows = body.get("rows", [])
    errors = _insert_errors(rows, table) if table is not None else []
    if errors and not body.get("skipInvalidRows"):
        bad = {each["index"] for each in errors}
        errors += [_insert_error(n, "", "") for n in range(len(rows)) if n not in bad]
        return {"kind": _KIND, "insertErrors": sorted(errors, key=lambda each: each["index"])}
    refused = {each["index"] for each in errors}
    # What is asked for the body again answers with what it was parsed into.
    request._json = {"rows": [row for n, row in enumerate(rows) if n not in refused]}
    await tabledata.insert_all(project_id, dataset_id, table_id, request, ctx)
    return {"kind": _KIND, "insertErrors": errors}


def _insert_errors(rows: Sequence[Mapping[str, Any]], table: Any) -> list[dict[str, Any]]:
    fields = table.schema_.fields
    found = {n: problem(row["json"], fields) for n, row in enumerate(rows)}
    wrong = {n: place for n, place in found.items() if place[0]}
    schema = tabledata._build_arrow_schema(tabledata._fields_raw_from_schema(fields))
    _, unreadable = tabledata._partition_rows_for_insert(rows, schema)
    wrong |= {each["index"]: (each["errors"][0]["location"], "bad value") for each in unreadable}
    return [_insert_error(n, *place) for n, place in wrong.items()]


def _insert_error(index: int, location: str, message: str) -> dict[str, Any]:
    reason = "invalid" if message else "stopped"
    told = {"reason": reason, "location": location, "debugInfo": "", "message": message}
    return {"index": index, "errors": [told]}


def _stored_columns(fields: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return columns with DuckDB's types; the stock names fields without quotes."""
    return [(field["name"], _stored_type(field)) for field in fields]


def _stored_type(field: Mapping[str, Any]) -> str:
    if field["type"].upper() in _NESTED:
        inner = ", ".join(f'"{name}" {kind}' for name, kind in _stored_columns(field["fields"]))
        kind = f"STRUCT({inner})"
    elif field["type"].upper() == _BIG:
        kind = f"DECIMAL(38, {_scale_of(field.get('precision'), field.get('scale'))})"
    else:
        return str(_stock_columns([field])[0][1])
    return f"{kind}[]" if (field.get("mode") or "").upper() == "REPEATED" else kind


def _scale_of(precision: Any, scale: Any) -> int:
    """Return the scale of a BIGNUMERIC: DuckDB's decimals have half of its digits."""
    return _WIDEST_SCALE if precision is None else int(scale or 0)


def _fields_raw(fields: Sequence[Any]) -> list[dict[str, Any]]:
    """Return what rows are read by; the type of a BIGNUMERIC tells its scale, as in `BIGNUMERIC:9`.

    The stock leaves the scale out.
    """
    found: list[dict[str, Any]] = _stock_fields_raw(fields)
    for field, raw in zip(fields, found, strict=True):
        if field.type == _BIG:
            raw["type"] = f"{_BIG}:{_scale_of(field.precision, field.scale)}"
        elif field.fields:
            raw["fields"] = _fields_raw(field.fields)
    return found


def _parsed_fields(raw_fields: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    """Return a table's columns with the digits of decimals, which the stock leaves out."""
    pairs = zip(_stock_parsed(raw_fields), raw_fields, strict=True)
    return tuple(
        field.model_copy(update={each: int(raw[each]) for each in _DIGITS if raw.get(each)})
        for field, raw in pairs
    )


def _told_field(field: Any) -> dict[str, Any]:
    digits = {each: getattr(field, each) for each in _DIGITS}
    told = {each: str(number) for each, number in digits.items() if number is not None}
    return {**_stock_told(field), **told}


def _told_table(table: Any) -> dict[str, Any]:
    """Return what is told of a table or view; the stock tells queries as SQL with SQL in it."""
    told: dict[str, Any] = _stock_table_told(table)
    return {**told, "view": {"query": table.view_query}} if table.view_query else told


def _arrow_type(kind: str) -> pa.DataType:
    name, _, scale = kind.partition(":")
    return pa.decimal128(38, int(scale)) if scale else _stock_arrow_type(name)


async def _insert_job(
    project_id: str, request: Request, ctx: jobs._Ctx, caller: jobs._Caller
) -> dict[str, Any]:
    """Run a job, unless there was one of its id; who comes while it runs waits for its end."""
    body = await request.json()
    given = body.get("jobReference", {}).get("jobId")
    async with _TURNS.setdefault((project_id, given), asyncio.Lock()) if given else asyncio.Lock():
        if given and ctx.catalog.get_job(project_id, given) is not None:
            msg = f"Already Exists: Job {project_id}:US.{given}"
            raise AlreadyExistsError(msg)
        stock: dict[str, Any] = await jobs.insert_job(project_id, request, ctx, caller)
        return stock


def _guard_all() -> None:
    executor._load_path_into_target = _load
    tabledata._fields_raw_from_schema, tabledata._bq_type_to_arrow = _fields_raw, _arrow_type
    tables._parse_schema_fields, tables._field_to_rest = _parsed_fields, _told_field
    tables._table_to_rest = _told_table
    type_map.bq_schema_to_duckdb_columns = tables.bq_schema_to_duckdb_columns = _stored_columns
    table = "/projects/{project_id}/datasets/{dataset_id}/tables/{table_id}/insertAll"
    for router, path, answer in (
        (tabledata.router, table, _insert_all),
        (jobs.router, "/projects/{project_id}/jobs", _insert_job),
    ):
        router.add_api_route(path, answer, methods=["POST"])
        # The first route that fits answers.
        router.routes.insert(0, router.routes.pop())


def _serve(data: str, host: str, port: int) -> None:
    _guard_all()
    # DuckDB looks for its extensions at home, and would download what it does not find there.
    os.environ["HOME"] = sys.prefix
    settings = Settings(
        rest_host=host,
        rest_port=port,
        grpc_host=host,
        grpc_port=0,
        persistence_mode=PersistenceMode.EPHEMERAL,
        default_project_id=_PROJECT,
        gcs_local_root=Path(data) / ".cloudstorage",
    )
    print(f"bigquery on {host}:{port}", flush=True)
    run_forever(settings)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
