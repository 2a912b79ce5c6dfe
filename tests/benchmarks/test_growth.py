"""Growth curves: what is fitted, what is counted, what is drawn; contenders give right results."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import grow_deduplicate, grow_hot_path, growth, growth_plots, oracles, report
from benchmarks.counted_state import Kept
from benchmarks.counting_bigtable import Counted
from benchmarks.growth_fit import fitted, without_start
from benchmarks.growth_inputs import of_users, spread
from benchmarks.harness import BenchmarkError, Measured
from benchmarks.inputs import Input, prepared
from schemas.cells import Cell, RowChange
from transforms.mutation_batch import encode_row

HOUR = 3_600_000_000
LENGTHS = (1_000, 3_000, 10_000, 30_000)
NAMES = [work.contender.name for work in growth._WORKS]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def measured():
    """Measure with contenders that take a second, and 10 us, 30 bytes and a mutation an event."""

    def run(contender, path):
        events = path.read_bytes().count(b"\n")
        work = growth._WORKS[NAMES.index(contender.name)]
        figures = (
            {"state_bytes": 30 * events, "mutations": events} if "hot" in contender.name else {}
        )
        seconds, held = 1 + events / 100_000, 150 + events / 1_000
        result = work.oracle(path)
        return Measured(seconds, events, result, 9.0, held, seconds, {}, figures)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "run_once", run)
        return growth.measure(500)


@pytest.fixture
def grown(measured):
    return copy.deepcopy(measured)


@given(
    st.floats(0.1, 2.5), st.floats(0.01, 100), st.floats(0, 1_000), st.sampled_from([0, 10, 999])
)
def test_the_exponent_of_any_power_law_is_found_behind_any_start(exponent, factor, start, done):
    curve = [(x + done, start + factor * x**exponent) for x in LENGTHS]
    law = fitted(without_start(curve, start, done))
    assert law.exponent == pytest.approx(exponent, abs=1e-6)
    assert law.at(5_000) == pytest.approx(factor * 5_000**exponent, rel=1e-5)
    flattened = fitted([(x, start + factor * x**exponent) for x in LENGTHS])
    assert flattened.exponent <= exponent + 1e-9


@pytest.mark.parametrize("points", [[], [(10, 1.0)], [(10, 1.0), (10, 2.0)], [(1, 0.0), (9, 3.0)]])
def test_of_fewer_than_two_points_nothing_is_fitted(points):
    assert fitted(points) is None


@given(st.lists(st.integers(0, 30), min_size=1), st.integers(1, 5))
def test_users_take_turns_and_copies_stay_with_their_event(ids, users):
    lines = [b'{"event_id":"%d","user_id":"x","n":1}\n' % each for each in ids]
    given = [json.loads(line) for line in spread(iter(lines), users)]
    owners = {(each["event_id"], each["user_id"]) for each in given}
    assert len(owners) == len(set(ids))
    assert len({user for _, user in owners}) == min(users, len(set(ids)))
    assert [each["event_id"] for each in given] == [str(each) for each in ids]


def test_an_event_without_a_user_stays_without_one():
    line = b'{"event_id":"a","user_id":null}\n'
    assert list(spread(iter([line]), 3)) == [line]


def test_state_is_counted_as_long_as_it_is_kept():
    kept = Kept()
    kept.add(b"one", 10)
    kept.add(b"other", 5)
    kept.clear(b"one")
    kept.clear(b"never written")
    kept.add(b"one", 3)
    assert (kept.most, kept.written) == (15, 18)


def test_the_last_word_on_each_tile_counts_and_only_of_one_feature_and_entity():
    def change(key, *cells):
        return encode_row(RowChange(key, list(cells))).entry

    def tile(hour, events, name="events"):
        return Cell("t", name, hour * HOUR + events * 1_000, b"x")

    counted = Counted()
    user = b"00#user#a"
    assert counted.take(change(user, tile(5, 2)) + change(b"00#session#a", tile(5, 7))) == 2
    counted.take(change(user, tile(5, 3), tile(6, 1), tile(6, 50, "logins")))
    assert counted.events_in_tiles(b"#user#", b"events") == 3 + 1
    assert (counted.requests, counted.rows) == (2, 3)
    assert counted.mutations() >= 5


def test_both_curves_are_measured_on_all_works_and_the_exponents_are_those_of_the_work(grown):
    document = grown
    assert [curve["over"] for curve in document["curves"]] == ["events", "users"]
    events, users = (curve["exponents"] for curve in document["curves"])
    for each in events:
        assert each["exponent"] == pytest.approx(1.0, abs=0.01), each
        assert each["with_start"] <= each["exponent"] + 0.001
    assert {each["exponent"] for each in users} == {0.0}
    assert {each["work"] for each in events} == set(NAMES)


def test_a_wrong_result_ends_a_curve(monkeypatch):
    wrong = Measured(1.0, 500, "something else", 9.0, 150.0, 1.0, {}, {})
    monkeypatch.setattr(growth, "run_once", lambda *_: wrong)
    with pytest.raises(BenchmarkError, match="growth: the result of dedupe and count, batch is"):
        growth.measure(500)


def test_what_grows_faster_than_wanted_is_told_plainly(grown):
    document = grown
    assert growth.told(document).endswith(f"target {growth.TARGET}.")
    assert "above" not in growth_plots.table(document)
    document["curves"][0]["exponents"][0]["exponent"] = 1.2
    assert f"target {growth.TARGET} missed" in growth.told(document)
    assert "**1.20**, above 1.05" in growth_plots.table(document)


def test_every_point_is_drawn(grown):
    [curve, _] = grown["curves"]
    panels = [
        panel for row in growth_plots.chart(curve, NAMES)["vconcat"] for panel in row["hconcat"]
    ]
    drawn = {panel["title"]: len(panel["data"]["values"]) for panel in panels}
    assert drawn == {"processor seconds": 16, "peak MB": 16, "bytes of state": 8, "mutations": 8}


def test_the_recorded_curves_are_those_in_the_papers():
    recorded = json.loads((report.RESULTS / "growth.json").read_text())
    assert growth_plots.in_readme() == growth_plots.table(recorded)
    for curve in recorded["curves"]:
        drawn = (growth_plots.FOLDER / f"{curve['over']}.svg").read_text()
        assert all(work in drawn for work in NAMES)


@pytest.mark.engine
def test_stateful_dedupe_tells_the_bytes_that_it_keeps():
    path = prepared(Input(2_000))
    assert grow_deduplicate.run(str(path))() == oracles.unique_ids(path)
    assert 20 < grow_deduplicate.told()["state_bytes"] / 1_950 < 40


@pytest.mark.engine
@pytest.mark.parametrize("run", [grow_hot_path.run, grow_hot_path.run_stream])
def test_the_hot_path_writes_each_event_of_a_user_once_however_many_users_there_are(
    run, monkeypatch
):
    monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", "")
    path = of_users(Input(300), 7)
    assert run(str(path))() == growth._events_of_users(path)
    told = grow_hot_path.told()
    assert told["requests"] <= told["rows"] < told["mutations"]
    assert (told["state_bytes"] > 0) == (run is grow_hot_path.run_stream)
