"""Every pane of a live job has its reason, whatever comes and whenever; then the view is right.

The engine is Prism with a stream whose watermark the test moves; early panes, crashes and lost
instances are in tests/transforms/test_panes_explained.py.
"""

import random
from collections import defaultdict

import pytest

from schemas.current_panes import current_panes
from schemas.durations import parse_duration
from schemas.times import format_rfc3339, parse_rfc3339
from tests.explained_panes import bundles, explain
from tests.metric_builders import BASE, MINUTE, PLAIN, Seen, expected
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.pipelines.live_windows import live, message
from tests.pipelines.window_runs import conserved, declared, recompute, sinks, told_by
from tests.warm_archive import WarmArchive

pytestmark = [pytest.mark.engine, pytest.mark.prism]

SECOND, DAY = 1_000_000, 1_440 * MINUTE
LENGTHS = {"90s": 90 * SECOND, "2m": 2 * MINUTE}
AGES = [-90 * SECOND, -SECOND, 30 * SECOND, 4 * MINUTE, 40 * MINUTE]


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def a_script(seed, steps=70):
    """On time, late within, late beyond, jumps of the watermark and copies, in any order."""
    chance, script, watermark, seen = random.Random(seed), [BASE], BASE, []
    for step in range(steps):
        kind = chance.choice(["go", "jump", *["bundle"] * 4])
        if kind == "bundle":
            bundle = [
                Seen(f"{seed}-{step}-{n}", "click", watermark - chance.choice(AGES), user)
                for n, user in enumerate(chance.choices(["ana", "bo"], k=chance.randint(1, 3)))
            ]
            recent = [one for one in seen if watermark - one.time < 5 * MINUTE]
            bundle += chance.sample(recent, min(len(recent), 1))
            script.append([one._replace(published=watermark + step) for one in bundle])
            seen += script[-1]
        else:
            far = [40 * MINUTE] if kind == "jump" else [10 * SECOND, 70 * SECOND, 6 * MINUTE]
            watermark += chance.choice(far)
            script.append(watermark)
    return [*script, watermark + DAY]


def check_late(left, script):
    """What is named late was: the window's end and the lateness had passed when it came."""
    late, watermark = {row["event_id"]: row["late_for"] for row in left.of("ops.late")}, BASE
    for step in script:
        if isinstance(step, int):
            watermark = step
            continue
        for one in step:
            names = [each for each in late.get(one.event_id, ()) if each.startswith("plain/")]
            lengths = [parse_duration(name.partition("/")[2]) for name in names]
            ends = [one.time // length * length + length for length in lengths]
            assert all(end + PLAIN.allowed_lateness <= watermark for end in ends)
    return {(event_id, name) for event_id, names in late.items() for name in names}


def check(left, script):
    """Explain all panes of a run; return the timings that there were."""
    late = check_late(left, script)
    told = defaultdict(list)
    for row in left.of("ops.panes_plain"):
        assert row["generation"] == 0
        place = (row["window"], parse_rfc3339(row["window_start"]), row["user_id"])
        told[place].append((row["pane_index"], row["timing"], row["event_count"]))

    def places_of(one):
        return [
            (name, one.time // length * length, one.user)
            for name, length in LENGTHS.items()
            if (one.event_id, f"plain/{name}") not in late
        ]

    def end(place):
        return place[1] + LENGTHS[place[0]]

    explain(told, script, places_of, end, joined=True)
    return {timing for panes in told.values() for _, timing, _ in panes}


def test_every_pane_has_its_reason_also_of_a_job_without_its_state_and_then_the_view_is_right(
    prism_binary, tmp_path
):
    script = a_script(3)
    middle = len(script) // 2
    now = max(step for step in script[:middle] if isinstance(step, int))
    # The second job has nothing of the first one's state.
    parts = [script[:middle], [now, *script[middle:]]]
    panes, timings = [], set()
    for number, part in enumerate(parts):
        folder = tmp_path / str(number)
        folder.mkdir()
        left = live(prism_binary, folder, part)
        timings |= check(left, part)
        assert conserved(left.counters)
        assert left.counters["duplicate"]
        panes += left.of("ops.panes_plain")
    assert {"on_time", "late"} <= timings
    seen = {one.event_id: one for step in reversed(bundles(script)) for one in step}
    whole = {place: one for place, one in expected(seen.values()).items() if place[0] == "plain"}
    told = told_by(current_panes(PLAIN, panes).values(), PLAIN)
    assert all(count <= whole[place][0] for place, (count, _) in told.items())
    assert told != whole
    again = recomputed(tmp_path, script)
    panes += again.of("ops.panes_plain")
    current = current_panes(PLAIN, panes, again.of("ops.recomputed"))
    assert told_by(current.values(), PLAIN) == whole


def recomputed(folder, script):
    archive = WarmArchive(str(folder / "archive"))
    archive.put(message(one) for step in bundles(script) for one in step)
    archive.mark(BASE + 30 * DAY)
    argv = [
        f"--input_archive={archive.root}",
        f"--from={format_rfc3339(BASE - DAY)}",
        f"--to={format_rfc3339(BASE + 3 * DAY)}",
        f"--metrics={declared(folder)}",
        *sinks(folder),
    ]
    return recompute(argv, folder)
