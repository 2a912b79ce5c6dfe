"""Fuzzing: seeded mutations, crashes told apart and reduced, and a run of it all."""

import json
from random import Random

import pytest

from chaos import fuzz, fuzz_page
from chaos.fuzz_archive import low_bounds
from chaos.fuzz_avro import mutate_container
from chaos.fuzz_crash import Crashes, reduced, signature
from chaos.fuzz_keep import keep, reached
from chaos.fuzz_mutations import mutate_bytes, mutate_json, mutate_lines, one_of
from chaos.fuzz_runs import TargetRun
from chaos.fuzz_target import BrokenPromiseError, Target, promise, promise_one_line
from chaos.fuzz_targets import TARGETS, load_target
from schemas.archive_avro import BadObjectError, from_avro, to_avro
from schemas.packs import RawPack
from schemas.times import parse_rfc3339

EVENT = b'{"event_id": "e", "event_details": {"a": [1, 2.5, null], "b": {"c": "\\u00e9"}}}'


@pytest.mark.parametrize("mutate", [mutate_bytes, mutate_json, mutate_lines])
def test_equal_numbers_give_equal_neighbours_and_others_mostly_others(mutate):
    neighbours = [mutate(EVENT, Random(seed)) for seed in range(200)]
    assert neighbours == [mutate(EVENT, Random(seed)) for seed in range(200)]
    assert len(set(neighbours)) > 80


def test_no_neighbour_depends_on_those_before_it():
    first = mutate_json(EVENT, Random(3))
    for seed in range(500):
        mutate_json(mutate_json(EVENT, Random(seed)), Random(seed + 1))
    assert mutate_json(EVENT, Random(3)) == first
    deep = b"[" * 700 + b"]" * 700
    mutate = one_of((1, mutate_json))
    assert all(isinstance(mutate(deep, Random(seed)), bytes) for seed in range(60))


def test_most_neighbours_of_json_are_json_and_any_bytes_have_neighbours():
    neighbours = [mutate_json(EVENT, Random(seed)) for seed in range(300)]
    parsed = [each for each in neighbours if _is_json(each)]
    assert len(parsed) > 200
    for data in (b"", b"\xff", b"5", b"[" * 5_000, b'"\\ud800"'):
        assert all(isinstance(mutate_json(data, Random(seed)), bytes) for seed in range(20))


def _is_json(data):
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def test_most_neighbours_of_an_object_are_still_avro_and_some_are_read_whole():
    content = to_avro(RawPack([b"a", b"b" * 200], [1, 2], ["m", "n"]), "zstd")
    faults = [_fault(mutate_container(content, Random(seed))) for seed in range(150)]
    assert faults.count("object_not_avro") < 30
    assert {"", "object_damaged", "object_wrong_codec", "object_foreign_schema"} <= set(faults)


def _fault(content):
    try:
        with low_bounds():
            from_avro(content)
    except BadObjectError as error:
        return error.fault
    return ""


def _fails_on_two_marks(data):
    if data.count(b"!") >= 2:
        parse_rfc3339(f"not a time, {len(data)}")


def test_a_crash_is_reduced_to_the_least_input_that_fails_in_the_same_place(tmp_path):
    crashes = Crashes(_fails_on_two_marks, tmp_path)
    for data in (b"some ! text ! here", b"!!!!"):
        with pytest.raises(ValueError, match="RFC 3339") as caught:
            _fails_on_two_marks(data)
        crashes.add(data, caught.value)
    [(kind, times)] = crashes.told().items()
    assert (times, kind.partition(":")[0]) == (2, "ValueError at schemas/times.py")
    [kept] = tmp_path.glob("*.bin")
    assert kept.read_bytes() == b"!!"
    assert kind in kept.with_suffix(".txt").read_text()


def test_another_place_is_another_crash():
    with pytest.raises(BrokenPromiseError) as broken:
        promise(False, "nothing is lost")
    assert "nothing is lost" in signature(broken.value)
    assert reduced(b"a!b!c", _fails_on_two_marks, "another kind") == b"a!b!c"
    for told in ("", "two\nlines", "Traceback (most recent call last)"):
        with pytest.raises(BrokenPromiseError):
            promise_one_line(ValueError(told))


def _check_time(data):
    try:
        parse_rfc3339(data.decode())
    except ValueError:
        return


def test_inputs_are_kept_that_take_steps_which_none_before_took(tmp_path):
    target = Target("t", "", _check_time, lambda: [b"no time"], mutate_bytes, weight=1)
    found, kept = tmp_path / "found", tmp_path / "kept"
    found.mkdir()
    (found / "a").write_bytes(b"still no time")
    (found / "b").write_bytes(b"2026-01-31T12:00:00Z")
    assert reached(_check_time, b"2026-01-31T12:00:00Z") - reached(_check_time, b"no time")
    assert [keep(target, found, tmp_path / "none", kept) for _ in range(2)] == [1, 0]
    assert [path.read_bytes() for path in kept.iterdir()] == [b"2026-01-31T12:00:00Z"]


def test_all_executions_are_shared_out_and_every_target_says_what_it_promises():
    targets = [load_target(name) for name in TARGETS]
    assert [target.name for target in targets] == list(TARGETS)
    assert sum(target.weight for target in targets) == 1_000
    assert all(target.told and len(list(target.seeds())) >= 3 for target in targets)


RUN = TargetRun("decode", 900, 1.5, {}, 30, 10, 20)
BAD = TargetRun("records", 100, 0.5, {"ValueError at x.py:1": 3}, 5, None, None)


@pytest.mark.parametrize(("runs", "status"), [([RUN], 0), ([RUN, BAD], 1)])
def test_the_last_line_is_the_summary_and_a_crash_is_a_status(
    tmp_path, monkeypatch, capsys, runs, status
):
    waiting = list(runs)
    monkeypatch.setattr(fuzz, "run_target", lambda *_: waiting.pop(0))
    names = [f"--target={run.target}" for run in runs]
    assert fuzz.main([*names, "--seed=7", f"--results={tmp_path}"]) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("decode: 900 executions in 1.5 s, 0 crashes, corpus 30, coverage 10")
    assert lines[-1].startswith(f"fuzz: {len(runs)} targets, {900 + 100 * status:,} executions")
    assert ("records: 3 times ValueError at x.py:1" in "\n".join(lines)) == bool(status)
    assert json.loads((tmp_path / "fuzz.json").read_text())["crashes"] == status


def test_what_cannot_be_run_is_a_line_and_another_status(tmp_path, monkeypatch, capsys):
    def fails(*_):
        msg = "decode did not run: no such module"
        raise fuzz.FuzzError(msg)

    monkeypatch.setattr(fuzz, "run_target", fails)
    assert fuzz.main([f"--results={tmp_path}"]) == 2
    assert capsys.readouterr().err == "decode did not run: no such module\n"


def test_the_table_stands_between_its_marks_and_the_rest_of_the_page_stays(tmp_path):
    page = tmp_path / "fuzz.md"
    page.write_text(f"head\n{fuzz_page._FIRST}former\n{fuzz_page._LAST}tail\n")
    fuzz_page.write_table(fuzz_page.record([RUN, BAD], 7), page)
    text = page.read_text()
    assert text.startswith("head\n")
    assert text.endswith("tail\n")
    assert "former" not in text
    assert "| `decode` | 900 | 2 | 0 | 30 | 10 to 20 |" in text


@pytest.mark.engine
def test_a_target_runs_in_a_process_of_its_own_and_equal_seeds_do_the_same(tmp_path, capsys):
    told = []
    for name in ("one", "two"):
        given = ["--target=records", "--executions=400", "--seed=3", f"--results={tmp_path / name}"]
        assert fuzz.main(given) == 0
        told.append(capsys.readouterr().out.splitlines()[0].split(", "))
    assert told[0][0].startswith("records: 400 executions")
    assert told[0][1:] == told[1][1:]
    found = [{path.name for path in (tmp_path / n / "records" / "found").iterdir()} for n in
             ("one", "two")]  # fmt: skip
    assert found[0] == found[1]
