"""The page of what runs on several engines have found, made of their JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from local.flink_kills import KINDS
from local.streaming_story import SEMANTICS

__all__ = ["page", "write_page"]

_NAME = "recorded.md"
_SETTINGS = {
    "exact": "Kills with the settings of [running on Flink](../engines.md#running-on-flink)",
    "plain": "Kills with checkpoints and restarts alone",
}
_HEAD = """\
# What the engines have run

Written by `make engines RECORD=1`, not by hand, of the JSON beside it; [engines](../engines.md)
says what is run, and what it shows.
"""
_SPELLED = {"task_manager": "TaskManager", "machine": "machine", "worker": "Python worker"}


def write_page(folder: Path) -> None:
    """Write the page of the records in a folder, into the same."""
    batch, streaming = _read(folder / "batch.json"), _read(folder / "streaming.json")
    kills = {name: _read(folder / f"kills-{name}.json") for name in _SETTINGS}
    (folder / _NAME).write_text(page(batch, streaming, kills))


def page(
    batch: Mapping[str, Any],
    streaming: Mapping[str, Any],
    kills: Mapping[str, Mapping[str, Any]],
) -> str:
    """Return the page; what was not run is left out."""
    parts = [_HEAD, *(_batch(batch) if batch else ())]
    parts += _streaming(streaming) if streaming else ()
    for name, record in kills.items():
        parts += _kills(_SETTINGS[name], record) if record else ()
    return "\n".join(parts)


def _batch(record: Mapping[str, Any]) -> Iterable[str]:
    yield "## Batch\n"
    yield f"{record['events']:,} lines with faults, seed {record['seed']}; {_told(record)}.\n"
    rows = [
        (
            run["job"],
            run["engine"],
            f"{run['lines']:,}",
            f"{run['seconds']:.0f} s",
            "; ".join(run["differences"]) or "the same",
            ", ".join(f"`{name}`" for name in run["counters"]) or "none",
        )
        for run in record["runs"]
    ]
    yield _table(("job", "engine", "lines", "time", "result", "other counters"), rows)


def _streaming(record: Mapping[str, Any]) -> Iterable[str]:
    yield "## Streams\n"
    yield f"One story on each engine, held against its truth; {_told(record)}.\n"
    rows = []
    for run in record["runs"]:
        found = run["findings"]
        told = ["; ".join(found[name]) or "right" for name in SEMANTICS]
        rows.append([run["engine"], run["source"], str(run["messages"]), *told, _restart(run)])
    yield _table(("engine", "source", "messages", *SEMANTICS, "restart"), rows)


def _restart(run: Mapping[str, Any]) -> str:
    if run["engine"] != "Flink":
        return "none: state is in its memory"
    if not run["killed"]:
        return "not asked for"
    wrong = any(run["findings"].values())
    return f"{run['killed']} killed, {run['restored']} restored: {'wrong' if wrong else 'right'}"


def _kills(title: str, record: Mapping[str, Any]) -> Iterable[str]:
    kills = record["kills"]
    exact = sum(kill["verdict"] == "exact" for kill in kills)
    yield f"## {title}\n"
    yield f"{exact} of {len(kills)} kills exact; {_told(record)}. The job's options:"
    yield f"`{' '.join(record['settings'])}`.\n"
    by_kind = [(kind, [kill for kill in kills if kill["kind"] == kind]) for kind in KINDS]
    rows = [
        (
            _SPELLED[kind],
            str(len(found)),
            str(sum(kill["verdict"] == "exact" for kill in found)),
            f"{sum(kill['messages'] for kill in found):,}",
            str(sum(kill["lost"] for kill in found)),
            str(sum(kill["duplicate"] for kill in found)),
            str(sum(kill["wrong_rows"] for kill in found)),
        )
        for kind, found in by_kind
    ]
    heads = ("killed", "kills", "exact", "messages", "lost", "counted twice", "wrong rows")
    yield _table(heads, rows)
    short = [kill for kill in kills if kill["verdict"] != "exact"]
    for kill in short:
        yield f"- seed {kill['seed']}, {_SPELLED[kill['kind']]}: {kill['verdict']}"
    if short:
        yield ""


def _told(record: Mapping[str, Any]) -> str:
    versions = f"Flink {record['flink']} with Beam's runner {record['job_server']}"
    return f"{versions}, SDK {record['sdk']}; {record['machine']}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found
