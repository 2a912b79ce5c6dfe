"""Curated events of files that hold anything, against plain loops: rows, refusals, conservation."""

import json
from collections import Counter, defaultdict

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from schemas.times import parse_rfc3339
from tests.pipelines.curate_runs import conserved, run
from tests.pipelines.messy_events import CONTRACT, KEY, LINES, Truth, line, real, whole
from tests.schemas.any_event import write_contract

pytestmark = pytest.mark.engine

_VARIABLE = "PENSTOCK_MESSY_KEY"
_OF_THE_RUN = ("content_digest", "ingest_time")
_ALL = [make(b"e%d" % (number % 7)) for number, make in enumerate(LINES)]
_LINE = (
    st.builds(
        lambda make, identity: make(identity),
        st.sampled_from(LINES),
        st.sampled_from([b"a", b"b", b"\xc3\xa4", b"c" * 256]),
    )
    | st.binary(max_size=12).map(lambda some: some.replace(b"\n", b""))
    | st.builds(lambda at: line(b"cut")[:at], st.integers(0, 60))
)
_FILE = st.tuples(
    st.lists(_LINE, max_size=12), st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    st.sampled_from([b"", b"\n", b"\r\n"]),
)  # fmt: skip


def parsed(text):
    row = json.loads(text)
    row["event_timestamp"] = parse_rfc3339(row["event_timestamp"]) / 1e6
    return {name: value for name, value in row.items() if name not in _OF_THE_RUN}


def rows_by_table(done):
    found = defaultdict(dict)
    for each in done.cells:
        table, _, row = each.partition(" ")
        if table not in ("silver_shop.thing", "ops.drift"):
            continue
        row = parsed(row)
        assert row["event_id"] not in found[table], "one row for each event"
        found[table][row["event_id"]] = row
    return found


# Without shrinking: a run takes a second, and the lines of one that fails tell enough.
@settings(max_examples=5, phases=[Phase.explicit, Phase.generate])
@given(st.lists(_FILE, min_size=1, max_size=3), st.sampled_from([1, 5]))
@example([(_ALL, b"\n", b""), ([], b"\n", b""), (_ALL[::-1], b"\r\n", b"\r\n")], 3)
@example([([b"\xef\xbb\xbf" + line(b"a"), line(b"a")], b"\r\n", b"")], 1)
def test_any_files_give_the_rows_and_the_refusals_of_plain_loops(tmp_path_factory, files, shards):
    folder = tmp_path_factory.mktemp("messy")
    for number, (lines, end, last) in enumerate(files):
        (folder / f"{number}.ndjson").write_bytes(end.join(lines) + last)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(_VARIABLE, KEY)
        done = run(arguments(folder, shards), folder)
    # Half a line end in what is random is one when a line end follows it.
    truth = Truth(
        each
        for lines, end, last in files
        for each in (end.join(lines) + last).replace(b"\r\n", b"\n").split(b"\n")
    )
    check(truth, done)


def arguments(folder, shards):
    return [
        f"--input_files={folder}/*.ndjson",
        f"--contracts={write_contract(folder / 'contracts', CONTRACT)}",
        f"--rows_output={folder / 'rows'}",
        f"--quarantine_output={folder / 'quarantine'}",
        f"--pseudonym_key=env:{_VARIABLE}",
        "--now=2026-02-01T00:00:00Z",
        f"--shards={shards}",
    ]


def check(truth, done):
    counters = done.counters
    assert counters["read"] == truth.read
    # What is told of some runs only.
    assert conserved({"outside_span": 0, "drifted": 0, **counters})
    wrong = Counter((one.payload, one.reason) for one in done.rejected)
    # Equal lines are one object in the quarantine, and counted all the same.
    conflicts = {payload for payload, reason in wrong if reason == "id_conflict"}
    assert {one for one in wrong if one[1] != "id_conflict"} == truth.refused.keys()
    reasons = Counter()
    for (_, reason), number in truth.refused.items():
        reasons[reason] += number
    told = {reason: number for reason, number in counters["rejected"].items() if number}
    assert told == reasons
    rows = rows_by_table(done)
    assert rows["silver_shop.thing"].keys() == truth.events.keys()
    duplicates = 0
    for event_id, copies in truth.events.items():
        [kept] = [
            one
            for one in {each.content: each for each in copies}.values()
            if one.row == rows["silver_shop.thing"][event_id]
            and one.drift == drift_of(rows["ops.drift"].get(event_id))
        ]
        duplicates += sum(one.content == kept.content for one in copies) - 1
        assert bool(conflicts) >= any(one.content != kept.content for one in copies)
    assert counters["accepted"] == len(truth.events)
    assert counters["duplicate"] == duplicates


def drift_of(row):
    if row is None:
        return {}
    return json.loads(row["drift"], parse_int=whole, parse_float=real)
