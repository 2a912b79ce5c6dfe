"""`python -m benchmarks`: runs the benchmarks, prints a table and writes `results/*.json`."""

import argparse
import datetime
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.figures import FIGURES, Figures
from benchmarks.harness import ROOT, BenchmarkError, run_row
from benchmarks.machine import kind_of_machine
from benchmarks.profile import profile_row
from benchmarks.rows import ROWS

_RESULTS = Path(__file__).parent / "results"
_QUICK = 0.02
_COLUMNS = ("contender", "events", "seconds", "events/s", "peak MB", "ratio", "target", "")


def main() -> int:
    """Measure what is asked for; return 1 where a result was wrong, whatever the times are."""
    options = _options()
    failed = 0
    if options.profile:
        return _profile(options.profile, options.runs)
    if options.quick:
        _say("quick: the engines' start outweighs the work, so the ratios tell little")
    for row in ROWS:
        if options.only and options.only != row.name:
            continue
        runs, scale = (1, _QUICK) if options.quick else (options.runs, 1.0)
        try:
            document = run_row(row, runs, scale, _say)
        except BenchmarkError as error:
            failed = 1
            _say(f"FAILED {error}")
            continue
        print(_table(document), flush=True)
        if not options.quick:
            _write(document)
    for figures in FIGURES:
        if options.only in (None, figures.name):
            failed |= _measure(figures, quick=options.quick)
    return failed


def _profile(name: str, runs: int) -> int:
    [row] = [each for each in ROWS if each.name == name]
    try:
        for path in profile_row(row, runs, _say):
            print(path.relative_to(ROOT))
    except BenchmarkError as error:
        _say(f"FAILED {error}")
        return 1
    return 0


def _measure(figures: Figures, *, quick: bool) -> int:
    try:
        document = (figures.quick if quick else figures.measure)()
    except BenchmarkError as error:
        _say(f"FAILED {error}")
        return 1
    print(f"\n{document['name']}: {figures.told(document)}", flush=True)
    if not quick:
        _write(document)
        if figures.keep:
            figures.keep(document)
    return 0


def _options() -> argparse.Namespace:
    names = [each.name for each in (*ROWS, *FIGURES)]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Seconds leave out interpreter start and imports."
    )
    parser.add_argument("--only", choices=names, help="run one benchmark")
    parser.add_argument("--runs", type=int, default=5, help="turns of each contender (default 5)")
    parser.add_argument(
        "--profile",
        choices=[row.name for row in ROWS],
        help="sample a benchmark's own contender instead: docs/profiles/NAME.svg and .folded",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one run on a fiftieth of the events, nothing written"
    )
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _table(document: dict[str, Any]) -> str:
    lines = [_COLUMNS, *(_cells(entry) for entry in document["contenders"])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    body = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines]  # fmt: skip
    return "\n".join((f"\n{document['name']}: {document['title']}", *body))


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    ratio = "" if entry["ratio"] is None else f"{entry['ratio']:.1f}x"
    target = "" if entry["target"] is None else f"{entry['target']}x"
    note = "fewer events: rates are compared" if entry["own_input"] else ""
    if entry["target"] is not None and entry["ratio"] < entry["target"]:
        note = f"{note} below target".strip()
    if entry["lighter"] is not None:
        note = f"{note} {'less' if entry['lighter'] else 'not less'} memory".strip()
    return (
        entry["contender"],
        f"{entry['events']:,}",
        f"{entry['seconds']:.2f}",
        f"{entry['events_per_second']:,}",
        f"{entry['peak_mb']:.0f}",
        ratio,
        target,
        note,
    )


def _write(document: dict[str, Any]) -> None:
    _RESULTS.mkdir(exist_ok=True)
    body = {**document, "taken": _circumstances()}
    (_RESULTS / f"{document['name']}.json").write_text(json.dumps(body, indent=2) + "\n")
    report.write()


def _circumstances() -> dict[str, Any]:
    """Tell when and on what it was measured, without names of hosts or paths."""
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        **kind_of_machine(),
        "python": platform.python_version(),
        "beam": version("apache-beam"),
    }


if __name__ == "__main__":
    sys.exit(main())
