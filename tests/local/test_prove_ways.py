"""The part of the proof that is about rows finds what a job has lost, in whichever way."""

import json
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from local.generate import Message
from local.prove_findings import Findings
from local.prove_jobs import ProofJobs
from local.prove_rows import write_metrics
from local.prove_schedule import SECOND
from local.prove_ways import RowWays

NOON = "2026-01-31T12:00:07.000000Z"
ALL = ("a", "b")
RUNS = ("live", "replay", "killed", "restarted", "lossy")


def message(event_id):
    return Message(b"{}", {}, 0, "event", {"event_id": event_id}, 0)


@pytest.fixture
def problems(tmp_path):
    """Give a function that says what differs, when each run wrote the rows of some events."""

    def find(**kept):
        write_metrics(tmp_path / "metrics", 18 * SECOND)
        places = (Path("prism"), tmp_path, tmp_path, tmp_path / "metrics")
        jobs = ProofJobs(*places, 18 * SECOND, ExitStack())
        stream = SimpleNamespace(messages=[message(each) for each in ALL])
        for run in RUNS:
            written = kept.get(run, ALL)
            folder = Path(jobs.rows(f"{run}-curate")) / "silver_billing.purchase"
            folder.mkdir(parents=True)
            rows = [
                {"event_id": each, "ingest_time": NOON, "content_digest": ""} for each in written
            ]
            (folder / "x.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            counted = {"read": 2, "accepted": 2, "rejected": {}, "warm_read": kept.get("warm", 2)}
            counted |= dict.fromkeys(("rows", "rows_written"), 2) | {"rows_refused": 0}
            for kind in ("curate", "measure"):
                (tmp_path / f"{run}-{kind}.json").write_text(json.dumps(counted))
        found = Findings(stream, lambda _: None)
        found.full = {"counts": {"accepted": len(ALL)}}
        RowWays(jobs, found, lambda _: None).compare_unrepaired()
        return [each for each in found.problems if not each.startswith("lossy: its windows")]

    return find


def test_rows_that_the_killed_job_and_its_successor_have_together_are_all(problems):
    assert problems(killed="a", restarted="b", lossy="a") == []


def test_a_row_that_went_with_the_killed_engine_is_a_difference(problems):
    assert problems(killed="a", restarted="", lossy="a") == [
        "killed: curated events: 1, and 2 are right",
        "killed: the curated events are not those of the stream",
        "killed and replay differ in a row: silver_billing.purchase b",
    ]


def test_a_successor_that_read_no_archive_is_said(problems):
    assert problems(warm=0, lossy="a") == [
        "restarted-curate: nothing came from the archive",
        "restarted-measure: nothing came from the archive",
    ]
