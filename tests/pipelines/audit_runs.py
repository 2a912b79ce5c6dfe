"""An archive and what the jobs made of it, for audits; and ways in which it may be wrong."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.generate import generate
from local.plan import Plan
from pipelines import curate_events, recompute_windows
from pipelines.audit import audit
from pipelines.audit_options import AuditConfig, AuditOptions
from pipelines.options import parse_options
from schemas.contract import load_contracts
from schemas.events import RawEvent
from schemas.quality import Finding
from schemas.times import DAY, format_rfc3339
from tests.archive_builders import complete, put_overlapping
from tests.pipelines.hot_path_runs import KEY_VARIABLE

PLAN = Plan(events=400, seed=5, lines=False, clocked=True)
START, END = PLAN.start, PLAN.start + 3 * DAY
SHIPPED = load_contracts(None)


@functools.cache
def messages() -> list[RawEvent]:
    """Return a stream with all kinds of faults; a tenth of the messages were published again."""
    published = [
        RawEvent(each.payload, each.attributes, f"m{n}", each.publish_time)
        for n, each in enumerate(generate(PLAN, SHIPPED))
    ]
    copies = [
        RawEvent(each.payload, each.attributes, f"copy-{each.message_id}", each.publish_time + 5)
        for each in published[::10]
        if each.publish_time is not None
    ]
    return published + copies


def archived(folder: Path) -> Path:
    """Archive the messages, half of them in two objects."""
    root = folder / "archive"
    put_overlapping(root, messages())
    complete(root, PLAN.start + 30 * DAY)
    return root


def make_layers(folder: Path, *sink: str) -> None:
    """Archive; then curate and measure from the archive, into files unless a sink is given."""
    usual = [
        f"--input_archive={archived(folder)}",
        f"--quarantine_output={folder / 'quarantine'}",
        f"--pseudonym_key=env:{KEY_VARIABLE}",
        f"--now={format_rfc3339(PLAN.start + 20 * DAY)}",
        "--max_lateness=3d",
        *(sink or [f"--rows_output={folder / 'rows'}"]),
    ]
    # Late events happened long before the archive begins.
    early = f"--from={format_rfc3339(PLAN.start - 15 * DAY)}"
    late = f"--to={format_rfc3339(PLAN.start + 6 * DAY)}"
    assert curate_events.main([*usual, early, late]) == 0
    # A row for each minute of each metric: only of the days that an audit looks at.
    days = [f"--from={format_rfc3339(START)}", f"--to={format_rfc3339(END)}"]
    assert recompute_windows.main([*usual, *days]) == 0


def audit_arguments(folder: Path, *more: str) -> list[str]:
    given = [
        f"--input_archive={folder / 'archive'}",
        f"--from={format_rfc3339(START)}",
        f"--quarantine={folder / 'quarantine'}",
        *more,
    ]
    if not any(each.startswith("--to=") for each in more):
        given.append(f"--to={format_rfc3339(END)}")
    if not any(each.startswith("--bigquery_project") for each in more):
        given.append(f"--rows={folder / 'rows'}")
    return given


def audited(folder: Path, *more: str) -> dict[tuple[str, str], Finding]:
    """Audit; return the findings by check and table."""
    argv = audit_arguments(folder, *more)
    found: list[Finding] = []
    audit(AuditConfig.of(parse_options(argv, AuditOptions, "")), found.extend)
    return {(each.check, each.table): each for each in found}


def change_rows(
    folder: Path, table: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    """Rewrite the rows of a table."""
    place = folder / "rows" / table
    rows = [
        json.loads(line)
        for file in sorted(place.glob("*.ndjson"))
        for line in file.read_text().splitlines()
    ]
    for file in place.glob("*.ndjson"):
        file.unlink()
    lines = [json.dumps(row) for row in change(rows)]
    (place / "0.ndjson").write_text("".join(f"{line}\n" for line in lines))
