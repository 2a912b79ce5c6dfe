"""The hot path in a flood of invalid events: how many lines a second, with none, half, and all."""

import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench_poison import MOST_BYTES
from benchmarks.contender import digest_of_many
from benchmarks.harness import BenchmarkError, Contender, Measured, run_once
from benchmarks.inputs import Input, prepared
from benchmarks.oracles import hot_path_cells

__all__ = ["measure", "poisoned", "told"]

_EVENTS = 50_000
_RUNS = 3
_SHARES = (0, 50, 100)
_TARGET = 0.5
_DEEP = 100
_CONTENDER = Contender("hot path", "bench_poison")


def measure(events: int = _EVENTS, runs: int = _RUNS) -> dict[str, Any]:
    """Return the document of the benchmark: the shares of invalid lines take turns.

    Raises:
        BenchmarkError: a cell or a refused line is missing, or another than it should be.
    """
    clean = prepared(Input(events)).read_bytes().splitlines()
    taken: dict[int, list[Measured]] = {share: [] for share in _SHARES}
    with tempfile.TemporaryDirectory() as made:
        files = {share: _file(Path(made), clean, share) for share in _SHARES}
        for _ in range(runs):
            for share, (file, wanted) in files.items():
                measured = run_once(_CONTENDER, file)
                if measured.result != wanted:
                    msg = f"poison: the result with {share} % invalid is not the right one"
                    raise BenchmarkError(msg)
                taken[share].append(measured)
    figures = [_figure(share, each) for share, each in taken.items()]
    title = "hot path, file to cells and quarantine, with invalid events"
    document = {"name": "poison", "title": title, "events": events, "runs": runs}
    return {**document, "figures": figures}


def told(document: dict[str, Any]) -> str:
    """Return the figures as a sentence."""
    clean, half, all_ = document["figures"]
    ratio = half["value"] / clean["value"]
    missed = "" if ratio >= half["target"] else ", **missed**"
    return (
        f"Poison flood: {clean['value']:,} lines a second into cells without invalid ones, "
        f"{half['value']:,} with half of them invalid and quarantined ({ratio:.2f}x, target "
        f"{half['target']}x{missed}), {all_['value']:,} with all of them."
    )


def poisoned(lines: list[bytes], share: int) -> Iterator[tuple[bytes, str]]:
    """Yield each line with "", or broken in one of five ways with the reason of its refusal.

    Args:
        lines: events.
        share: of the invalid ones in percent, evenly spread.
    """
    broken = 0
    for number, line in enumerate(lines, 1):
        if number * share // 100 == broken:
            yield line, ""
            continue
        reason, spoil = _WAYS[broken % len(_WAYS)]
        broken += 1
        yield spoil(line), reason


def _file(folder: Path, clean: list[bytes], share: int) -> tuple[Path, str]:
    """Write the lines; return the file, and the digest of what has to come of it."""
    lines = list(poisoned(clean, share))
    good, file = folder / "good.ndjson", folder / f"{share}.ndjson"
    good.write_bytes(b"".join(line + b"\n" for line, reason in lines if not reason))
    file.write_bytes(b"".join(line + b"\n" for line, _ in lines))
    refused = digest_of_many(f"{reason} ".encode() + line for line, reason in lines if reason)
    return file, f"{hot_path_cells(good)}, refused {refused}"


def _figure(share: int, runs: list[Measured]) -> dict[str, Any]:
    seconds = statistics.median(run.seconds for run in runs)
    spent = [run.cpu_seconds for run in runs if run.cpu_seconds is not None]
    return {
        "what": f"lines a second, {share} % invalid",
        "value": round(runs[0].events / seconds),
        "seconds_each": [round(run.seconds, 3) for run in runs],
        "cpu_seconds": round(statistics.median(spent), 3) if spent else None,
        "peak_mb": round(max(run.peak_mb for run in runs), 1),
        "target": _TARGET if share == 50 else None,
    }


def _changed(line: bytes, **fields: object) -> bytes:
    return json.dumps({**json.loads(line), **fields}).encode()


def _oversized(line: bytes) -> bytes:
    return _changed(line, padding="x" * MOST_BYTES)


def _deep(line: bytes) -> bytes:
    nested = b"[" * _DEEP + b"]" * _DEEP
    return line[: line.rindex(b"}")] + b', "more": ' + nested + b"}"


_WAYS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("not_json", lambda line: line[: len(line) // 2]),
    ("wrong_type", lambda line: _changed(line, user_id=7)),
    ("unknown_event_type", lambda line: _changed(line, event_type="no_such_type")),
    ("payload_too_large", _oversized),
    ("too_deep", _deep),
)
