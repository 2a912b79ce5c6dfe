"""The harness: contenders take turns, results are checked, ratios are of rates."""

import json
import subprocess
import sys

import pytest

from benchmarks import harness, oracles, report, state_per_id
from benchmarks.contender import digest, digest_of_many
from benchmarks.figures import FIGURES
from benchmarks.harness import BenchmarkError, Contender, Measured, Peer, Row, run_once, run_row
from benchmarks.inputs import Input, prepared
from benchmarks.rows import ROWS

OURS, FAST, SLOW = Contender("ours", "a"), Contender("fast", "b"), Contender("slow", "c")
WHOLE, PART = Input(4_000), Input(1_000)
ROW = Row("row", "a title", WHOLE, OURS, (Peer(FAST, 2), Peer(SLOW, 5, PART)), None)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def runs(monkeypatch):
    """Replace the processes: (contender, number of lines) in the order in which they ran."""
    seen = []
    seconds = {"ours": [1.0, 9.0, 2.0], "fast": [4.0, 3.0, 8.0], "slow": [5.0, 5.0, 5.0]}

    def run(contender, path):
        events = path.read_bytes().count(b"\n")
        seen.append((contender.name, events))
        return Measured(seconds[contender.name].pop(0), events, f"right {events}", 10.0, 100.0)

    monkeypatch.setattr(harness, "run_once", run)
    return seen


def test_contenders_take_turns_each_on_its_input(runs):
    run_row(ROW, 3, say=lambda _: None)
    assert runs == [("ours", 4_000), ("fast", 4_000), ("slow", 1_000)] * 3


def test_ratios_compare_medians_of_events_per_second(runs):
    ours, fast, slow = run_row(ROW, 3, say=lambda _: None)["contenders"]
    assert (ours["seconds"], ours["events_per_second"], ours["ratio"]) == (2.0, 2_000, None)
    assert (fast["seconds"], fast["ratio"], fast["target"]) == (4.0, 2.0, 2)
    assert (slow["ratio"], slow["own_input"], fast["own_input"]) == (10.0, True, False)


def test_memory_is_compared_where_ours_is_to_take_less(runs, monkeypatch):
    known = harness.run_once
    peaks = {"ours": 300.0, "fast": 200.0, "slow": 400.0}
    weighed = lambda given, path: known(given, path)._replace(peak_mb=peaks[given.name])  # noqa: E731
    monkeypatch.setattr(harness, "run_once", weighed)
    row = ROW._replace(peers=tuple(peer._replace(lighter=True) for peer in ROW.peers))
    found = run_row(row, 1, say=lambda _: None)["contenders"]
    assert [each["lighter"] for each in found] == [None, False, True]


def test_the_peak_of_a_process_is_its_own_and_not_that_of_its_starter():
    held = bytearray(400_000_000)
    held[::4_096] = b"x" * len(held[::4_096])
    ask = "from benchmarks.memory import peak_mb; print(peak_mb())"
    told = subprocess.check_output([sys.executable, "-c", ask], cwd=harness.ROOT)
    assert 1 < float(told) < 200


@pytest.mark.parametrize("oracle", [lambda path: "something else", None], ids=["oracle", "peers"])
def test_a_wrong_result_is_an_error_however_quick_it_was(runs, monkeypatch, oracle):
    right = harness.run_once
    wrong = lambda contender, path: right(contender, path)._replace(result=contender.name)  # noqa: E731
    monkeypatch.setattr(harness, "run_once", wrong)
    with pytest.raises(BenchmarkError, match=r"the result of (ours|fast) is not the right"):
        run_row(ROW._replace(oracle=oracle), 1, say=lambda _: None)


def test_a_contender_that_fails_is_told_by_its_last_lines(tmp_path):
    with pytest.raises(BenchmarkError, match=r"nobody ended with 1: .*no_such_module"):
        run_once(Contender("nobody", "no_such_module"), tmp_path / "none")


def test_an_input_is_made_once_with_copies_of_lines():
    path = prepared(WHOLE)
    lines = path.read_bytes().splitlines()
    made = path.stat().st_mtime_ns
    assert prepared(WHOLE).stat().st_mtime_ns == made
    assert len(lines) == 4_000
    assert len(set(lines)) == len({json.loads(line)["event_id"] for line in lines}) < 4_000


def test_a_digest_does_not_depend_on_the_order_of_rows():
    assert digest([("a", 1), ("b", 2)]) == digest([("b", 2), ("a", 1)])
    assert digest([("a", 1)]) != digest([("a", 2)])


def test_a_digest_of_many_counts_how_often_a_row_is_there_and_not_where():
    assert digest_of_many([b"a", b"b", b"b"]) == digest_of_many([b"b", b"a", b"b"])
    assert digest_of_many([b"a", b"b", b"b"]) != digest_of_many([b"a", b"a", b"b"])
    assert digest_of_many([b"a", b"b", b"b"]) != digest_of_many([b"a", b"b"])
    assert digest_of_many([]).endswith("of 0")


def test_an_oracle_counts_every_event_whatever_its_form(tmp_path):
    one, other, third = (tmp_path / name for name in ("one", "other", "third"))
    one.write_text('{"event_id": "1", "user_id": null, "event_details": {"a": null}}\n')
    other.write_text('{"event_details":{"a":null},"event_id":"1"}\n')
    third.write_text(other.read_text() * 2)
    assert oracles.every_event(one) == oracles.every_event(other) != oracles.every_event(third)


def test_oracles_count_each_id_once(tmp_path):
    events = [
        {"event_id": "1", "event_type": "login", "event_timestamp": "1970-01-01T00:01:59Z"},
        {"event_id": "1", "event_type": "login", "event_timestamp": "1970-01-01T00:01:59Z"},
        {"event_id": "2", "event_type": "login", "event_timestamp": "1970-01-01T00:01:00Z"},
    ]
    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert oracles.counts_by_minute(path) == digest([("login", 1, 2)])
    assert oracles.unique_ids(path) == digest(["1", "2"])


def test_every_row_has_a_name_of_its_own_and_targets():
    assert len({each.name for each in (*ROWS, *FIGURES)}) == len(ROWS) + len(FIGURES)
    assert all(row.peers[0].target for row in ROWS)
    assert all(peer.target is None or peer.target > 0 for row in ROWS for peer in row.peers)


def test_state_per_id_is_measured_for_every_size_of_pack(monkeypatch):
    monkeypatch.setattr(state_per_id, "_PACKS", ((20, 2), (1, 30)))
    figures = state_per_id.measure()["figures"]
    assert [figure["what"] for figure in figures] == ["packs of 20", "packs of 1"]
    assert all(20 < figure["bytes_per_id"] < 40 for figure in figures)


def test_the_table_in_the_papers_is_that_of_the_recorded_results():
    assert report.in_readme() == report.table()
    names = {each.name for each in (*ROWS, *FIGURES)}
    assert names <= {path.stem for path in report.RESULTS.glob("*.json")}
