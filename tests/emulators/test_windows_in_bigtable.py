"""Windows of metrics served from Bigtable: live, refused, recomputed, told again, and read.

Live, the engine is Prism with a stream whose watermark the test moves.
"""

import json

import msgspec
import pytest

from console.main import main as penstock
from local.tables import read_table
from pipelines import recompute_windows, window_metrics
from schemas.bigtable_table import TableName
from schemas.cell_lines import parse_change
from schemas.pane_cells import PaneCells, windows_of
from schemas.pane_rows import PaneForm
from schemas.rejected import Reason
from schemas.times import format_rfc3339
from tests.metric_builders import BASE, MINUTE, PLAIN, WIDE
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.pipelines.live_windows import live
from tests.pipelines.test_recompute_windows import SCRIPT, archived, click
from tests.pipelines.window_runs import events_file, left_behind, served, sinks

pytestmark = pytest.mark.emulator

SERVED = [msgspec.structs.replace(each, bigtable=True) for each in (WIDE, PLAIN)]
OF_PANE = ("pane_index", "timing", "generation", "insert_id")
POISON = "c" * 5_000
"""No row key is as long as that."""
POISONED = click("poison", 3)._replace(kind="quiz_submitted", page=POISON)


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def online(table, shown):
    """What a reader of the table is told of the keys of some rows of the views."""
    cells = {}
    for key, *cell in read_table(TableName.parse(table)):
        cells.setdefault(key.encode(), []).append(tuple(cell))
    told, rows = [], set()
    for metric in SERVED:
        names = [each.name for each in metric.dimensions]
        for values in {tuple(row.get(name) for name in names) for row in shown[metric.name]}:
            key = msgspec.msgpack.encode(values)
            row = PaneCells(metric).row_key(key)
            rows.add(row)
            windows = windows_of(metric, key, cells.get(row, ()))
            told += [PaneForm(metric).shown(window) for window in windows]
    assert rows == {*cells}
    return sorted(told, key=json.dumps)


def views(left):
    """The rows of the views by metric, but of the key that is no row key."""
    return {
        metric.name: [
            {name: row[name] for name in row if name not in OF_PANE}
            for row in left.current(metric).values()
            if row.get("course") != POISON
        ]
        for metric in SERVED
    }


def flat(shown):
    return sorted((row for rows in shown.values() for row in rows), key=json.dumps)


@pytest.mark.prism
def test_the_table_shows_what_the_views_do_live_after_a_recomputation_and_a_job_with_less(
    bigtable_emulator, prism_binary, tmp_path, capsys
):
    table = bigtable_emulator.table()
    metrics = served(tmp_path)
    sink = f"--bigtable_table={table}"
    script = [SCRIPT[0], [POISONED], *SCRIPT[1:]]
    left = live(prism_binary, tmp_path, script, "--covers_from=beginning", sink)
    first = flat(views(left))
    assert online(table, views(left)) == first
    counted = left.counters
    assert counted["mutations"] == counted["written"] + counted["refused"]
    assert counted["refused"] == 2
    refused = [one for one in left.rejected if one.reason == Reason.MUTATION_REFUSED.value]
    changes = [parse_change(one.payload) for one in refused]
    assert all(change.row_key.endswith(POISON.encode()) for change in changes)
    names = {cell.qualifier for change in changes for cell in change.cells}
    assert {"event_count/1m", "points/5m"} <= names
    archived(tmp_path, SCRIPT)
    argv = [
        f"--input_archive={tmp_path / 'archive'}",
        f"--from={format_rfc3339(BASE - MINUTE)}",
        f"--to={format_rfc3339(BASE + 1_440 * MINUTE)}",
        f"--metrics={metrics}",
        *sinks(tmp_path),
        sink,
    ]
    assert recompute_windows.main(argv) == 0
    second = flat(views(left_behind(tmp_path, {})))
    assert online(table, views(left_behind(tmp_path, {}))) == second != first
    # A job that knows less of these windows changes nothing, in batch as in a stream.
    less = events_file(tmp_path, [click("a", 1), click("c", 61)])
    argv = [f"--input_files={less}", f"--metrics={metrics}", *sinks(tmp_path), sink]
    assert window_metrics.main(argv) == 0
    left = left_behind(tmp_path, {})
    assert online(table, views(left)) == flat(views(left)) == second
    where = ["--at=2026-01-01T00:09:00Z", f"--metrics={metrics}", sink]
    asked = ["wide", "kind=click", "platform=web", "course", "--window=5m", "--last=2"]
    shown = read_online(capsys, *asked, *where)
    assert (shown["row_key"], shown["from"]) == ("94#wide#click#web#%", "2026-01-01T00:00:00Z")
    [window] = shown["windows"]
    assert (window["event_count"], window["home"], window["users"]) == (5, 5, 1)
    assert shown["together"].items() < window.items()
    nobody = read_online(capsys, "plain", "user_id=nobody", *where)
    assert (nobody["windows"], nobody["together"]) == ([], {"event_count": 0})


def read_online(capsys, *argv):
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        penstock(["metrics", "get", *argv])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("families", [None, {"s": {}}])
def test_a_missing_table_or_family_is_one_line_with_the_command_that_makes_it(
    bigtable_emulator, tmp_path, capsys, families
):
    table = bigtable_emulator.table(families) if families else "projects/p/instances/i/tables/none"
    argv = [
        f"--input_files={events_file(tmp_path, [click('a', 1)])}",
        f"--metrics={served(tmp_path)}",
        *sinks(tmp_path),
        f"--bigtable_table={table}",
    ]
    assert window_metrics.main(argv) == 2
    printed = capsys.readouterr().err
    assert f"`penstock tables create --bigtable_table={table}`" in printed
    assert len(printed.splitlines()) == 1
    assert not (tmp_path / "rows").exists()
