"""Live windows and recomputed ones: every pane is explained, and in the end the view is right.

Live, the engine is Prism with a stream whose watermark the test moves. What that cannot show:
redelivery and acknowledgement, and how a service's watermark moves.
"""

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.options import UsageError
from pipelines.recompute_windows import main
from schemas.durations import parse_duration
from schemas.events import RawEvent
from schemas.metric_set import SHIPPED, parse_metric
from schemas.times import format_rfc3339, parse_rfc3339
from tests.metric_builders import BASE, CONTRACTS, MINUTE, PLAIN, WIDE, Seen, expected
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.pipelines.live_windows import late_lines, live, message
from tests.pipelines.window_runs import (
    Left,
    conserved,
    declared,
    left_behind,
    recompute,
    sinks,
    told_by,
)
from tests.transforms.test_metric_program import SEEN
from tests.warm_archive import WarmArchive

pytestmark = [pytest.mark.engine, pytest.mark.prism]

HOUR = 60 * MINUTE
DAY = 24 * HOUR
SECOND = 1_000_000


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def click(name, second, published=None, **more):
    """A click at a second of the base minute, published at another (at once where not said)."""
    time = BASE + second * SECOND
    at = time if published is None else BASE + published * SECOND
    return Seen(name, "click", time, published=at, **more)


def archived(folder, script, marker=BASE + 30 * DAY):
    archive = WarmArchive(str(folder / "archive"))
    archive.put(message(one) for step in script if not isinstance(step, int) for one in step)
    archive.mark(marker)
    return archive


def arguments(folder, *more, start=BASE - DAY, end=BASE + DAY):
    return [
        f"--input_archive={folder / 'archive'}",
        f"--from={format_rfc3339(start)}",
        f"--to={format_rfc3339(end)}",
        f"--metrics={declared(folder)}",
        *sinks(folder),
        *more,
    ]


def events_of(script):
    """What came, each event as it was first published."""
    came = [one for step in script if not isinstance(step, int) for one in step]
    return [
        *{one.event_id: one for one in sorted(came, key=lambda one: -(one.published or 0))}.values()
    ]


def panes(left: Left, metric, window):
    rows = [row for row in left.of(f"ops.panes_{metric.name}") if row["window"] == window]
    told = [
        (row["window_start"][11:19], row["pane_index"], row["timing"], row["event_count"])
        for row in rows
    ]
    return sorted(told)


SCRIPT = [
    BASE,
    [click("a", 1), click("b", 2)],
    BASE + 30 * SECOND,
    [click("b", 2, published=31), click("c", 61)],
    BASE + 2 * MINUTE,
    [click("late within", 10, published=121)],
    # The watermark jumps beyond all lateness, and the bound of dedupe with it.
    BASE + 3 * HOUR,
    [click("d", 3 * 3_600 + 1)],
    BASE + 3 * HOUR + 10 * MINUTE,
    [click("too late", 20, published=3 * 3_600 + 601), click("e", 3 * 3_600 + 602)],
    [click("a", 1, published=3 * 3_600 + 603)],
]


def test_every_pane_is_explained(prism_binary, tmp_path):
    done = live(prism_binary, tmp_path, SCRIPT)
    assert panes(done, WIDE, "1m") == [
        ("00:00:00", 0, "on_time", 2),
        ("00:00:00", 1, "late", 3),
        ("00:01:00", 0, "on_time", 1),
        ("03:00:00", 0, "on_time", 1),
        ("03:10:00", 0, "on_time", 1),
    ]
    # The copy of "a" comes when dedupe has forgotten the first one, and so late by far.
    copy, late = late_lines(tmp_path)
    assert (copy["event_id"], late["event_id"]) == ("a", "too late")
    [row] = [row for row in done.of("ops.late") if row["event_id"] != "a"]
    assert (row["event_id"], row["user_id"], json.loads(row["event"])) == (
        "too late",
        late["user_id"],
        late,
    )
    assert sorted(row["late_for"]) == ["plain/2m", "plain/90s", "wide/1m", "wide/5m"]
    assert (done.counters["late"], done.counters["duplicate"]) == (2, 1)
    assert conserved(done.counters)


def test_what_the_view_lacks_is_what_the_late_table_names_until_it_is_computed_anew(
    prism_binary, tmp_path
):
    before = live(prism_binary, tmp_path, SCRIPT).told()
    whole = expected(events_of(SCRIPT))
    missing = {place: count - before[place][0] for place, (count, _) in whole.items()}
    assert sum(missing.values()) == 4
    archived(tmp_path, SCRIPT)
    after = recompute(arguments(tmp_path, "--generation=7"), tmp_path)
    assert after.told() == whole
    assert {row["generation"] for row in after.current(WIDE).values()} == {7}
    assert after.counters["windows_kept"] == 0
    assert after.counters["windows_superseded"] == len(after.of("ops.recomputed"))


def test_a_job_that_lost_its_state_tells_less_and_loses(prism_binary, tmp_path):
    first, rest = SCRIPT[:4], [BASE + 40 * SECOND, [click("f", 3)], *SCRIPT[4:]]
    live(prism_binary, tmp_path, first)
    told = live(prism_binary, tmp_path, rest).told()
    assert told["wide", MINUTE, BASE, ("click", "web", None)][0] == 2
    archived(tmp_path, [*first, *rest])
    after = recompute(arguments(tmp_path), tmp_path)
    assert after.told() == expected(events_of([*first, *rest]))


def test_a_job_that_covers_what_comes_after_its_launch_withholds_the_rest(prism_binary, tmp_path):
    start = format_rfc3339(BASE + 1)
    done = live(prism_binary, tmp_path, SCRIPT, f"--covers_from={start}")
    assert {start for start, *_ in panes(done, WIDE, "1m")} == {"00:01:00", "03:00:00", "03:10:00"}
    assert done.counters["windows_withheld"] == 4
    assert conserved(done.counters)


def test_rejects_are_measured_live_and_anew_alike(prism_binary, tmp_path):
    (declared(tmp_path) / "rejects.yaml").write_text((SHIPPED / "rejects.yaml").read_text())
    metric = parse_metric((SHIPPED / "rejects.yaml").read_text(), "rejects.yaml", CONTRACTS)
    broken = [RawEvent(b"not json", {}, f"m{n}", BASE + n * 40 * SECOND) for n in range(4)]
    conflict = message(click("a", 1, published=100, page="/other"))
    script = [BASE, [click("a", 1), *broken[:2]], [conflict], BASE + 2 * MINUTE, broken[2:]]

    def told(left):
        return {
            (key[0], (key[1] - BASE) // MINUTE, *key[2:]): row["messages"]
            for key, row in left.current(metric).items()
        }

    first = told(live(prism_binary, tmp_path, script))
    conflicted = ("1m", 1, "id_conflict", "Deduplicate")
    assert {place: count for place, count in first.items() if place[0] == "1m"} == {
        ("1m", 0, "not_json", "Decode"): 2,
        ("1m", 1, "not_json", "Decode"): 1,
        ("1m", 2, "not_json", "Decode"): 1,
        conflicted: 1,
    }
    archived(tmp_path, [*script, broken])
    assert told(recompute(arguments(tmp_path, "--generation=7"), tmp_path)) == first


def test_only_windows_wholly_inside_the_span_are_superseded(prism_binary, tmp_path):
    live(prism_binary, tmp_path, SCRIPT)
    archived(tmp_path, SCRIPT)
    span = {"start": BASE + 30 * SECOND, "end": BASE + 5 * MINUTE}
    after = recompute(arguments(tmp_path, "--generation=7", **span), tmp_path)
    done = {
        (row["window"], row["window_start"][14:19])
        for row in after.of("ops.recomputed")
        if row["metric"] == "wide"
    }
    assert done == {("1m", f"0{minute}:00") for minute in (1, 2, 3, 4)}
    generations = {
        (row["window"], row["window_start"][11:19]): row["generation"]
        for row in after.current(WIDE).values()
    }
    assert generations["1m", "00:01:00"] == 7
    assert generations["1m", "00:00:00"] == generations["5m", "00:00:00"] == 0


def test_a_window_that_a_live_job_told_in_vain_vanishes(prism_binary, tmp_path):
    """An event that the archive does not have was told: after the recomputation it is not."""
    live(prism_binary, tmp_path, SCRIPT)
    archived(tmp_path, [[click("x", 5)._replace(kind="login")]])
    after = recompute(arguments(tmp_path), tmp_path)
    assert after.told() == {}
    assert panes(after, WIDE, "1m")


def test_the_last_recomputation_holds_and_the_same_again_changes_nothing(tmp_path):
    archived(tmp_path, SCRIPT)
    recompute(arguments(tmp_path, "--generation=9", "--run_id=r"), tmp_path)
    again = recompute(arguments(tmp_path, "--generation=9", "--run_id=r"), tmp_path, 1)
    objects = set((tmp_path / "rows").rglob("*.ndjson"))
    assert again.told() == expected(events_of(SCRIPT))
    with pytest.raises(UsageError, match="computed anew already, up to generation 9"):
        recompute(arguments(tmp_path, "--generation=8"), tmp_path)
    assert objects == set((tmp_path / "rows").rglob("*.ndjson"))
    later = recompute(arguments(tmp_path, "--generation=10"), tmp_path)
    assert {row["generation"] for row in later.current(WIDE).values()} == {10}


# A run takes seconds: few examples, and a failing one as it is.
@settings(
    max_examples=4,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(SEEN, min_size=5, max_size=15), st.data())
def test_whatever_comes_and_whenever_a_recomputation_ends_in_the_oracle(
    prism_binary, tmp_path_factory, seen, data
):
    folder = tmp_path_factory.mktemp("run")
    unique = {one.event_id: one for one in seen}
    script, published, watermark = [], BASE + 11 * MINUTE, BASE
    for one in seen:
        watermark += data.draw(st.sampled_from([SECOND, SECOND, MINUTE, 20 * MINUTE, 3 * HOUR]))
        published = max(published, watermark) + 1
        script += [watermark, [unique[one.event_id]._replace(published=published)]]
    before = live(prism_binary, folder, script)
    archived(folder, script)
    whole = expected(events_of(script))
    told, named = before.told(), lacking(folder)
    assert told.keys() | named.keys() == whole.keys()
    for place, (count, values) in whole.items():
        found = told.get(place, (0, {}))
        assert found[0] <= count <= found[0] + len(named.get(place, ()))
        assert found == (count, values) or found[0] < count
    assert recompute(arguments(folder), folder).told() == whole


def lacking(folder):
    """Which events the late output names, by the place in the oracle that may lack them."""
    named = {}
    for row in late_rows(folder):
        event = json.loads(row["event"])
        details = event["event_details"]
        time = row["time"]
        for name in row["late_for"]:
            metric, _, window = name.partition("/")
            length = parse_duration(window)
            wide = (event["event_type"], details.get("platform"), details.get("course_id"))
            key = (event["user_id"],) if metric == "plain" else wide
            place = (metric, length, time // length * length, key)
            named.setdefault(place, set()).add(event["event_id"])
    return named


def late_rows(folder):
    return [
        {**row, "time": parse_rfc3339(row["event_timestamp"])}
        for row in left_behind(folder, {}).of("ops.late")
    ]


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        (None, "has no completeness marker"),
        (BASE + DAY, "is complete to"),
    ],
)
def test_a_span_that_is_not_closed_is_refused_in_one_line(tmp_path, capsys, marker, words):
    archive = WarmArchive(str(tmp_path / "archive"))
    archive.put([message(click("a", 1))])
    if marker:
        archive.mark(marker)
    assert main(arguments(tmp_path)) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("--from and --to: the archive ")
    assert words in printed
    assert not (tmp_path / "rows").exists()


def test_a_dry_run_tells_what_would_be_read_and_whether_the_span_is_closed(tmp_path, capsys):
    archived(tmp_path, SCRIPT)
    argv = [one for one in arguments(tmp_path) if "_output" not in one]
    assert main([*argv, "--dry_run"]) == 0
    told = capsys.readouterr().out
    assert "the span is closed" in told
    # The archive begins in the span, and a recomputation deletes nothing.
    assert "what a live job has counted of earlier messages counts no more" in told
    assert "deleted" not in told
    assert not (tmp_path / "rows").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--input_archive="], "--input_bigquery_project: name exactly one of the three"),
        (["--generation=0"], "--generation=0: write a whole number of at least 1"),
        (["--horizon=1m"], "--horizon=1m: metric wide could count a copy twice"),
        (["--on_bad_object=quarantine"], "--on_bad_object: a repair deletes"),
        (["--max_events_per_second=5"], "--max_events_per_second: rows are written in bulk"),
        (["--to="], "--to is missing"),
        (["--rows_output=", "--bigquery_project=my-project", "--write_method=storage"], "use load"),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy(tmp_path, capsys, more, words):
    changed = {one.partition("=")[0] for one in more}
    argv = [one for one in arguments(tmp_path) if one.partition("=")[0] not in changed]
    assert main([*argv, *more]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert len(printed.strip().splitlines()) == 1


def test_rows_of_every_metric_are_compared_by_the_oracle():
    assert told_by([], WIDE) == told_by([], PLAIN) == {}
