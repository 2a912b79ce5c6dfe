"""Windows served online, as cells in files: what the views show, in any case, and wrong usage."""

import json
from itertools import groupby

import msgspec
import pytest

from pipelines.recompute_windows import main as recompute_main
from pipelines.serve_windows import refused_cells
from pipelines.window_metrics import main
from schemas.cell_lines import applied
from schemas.pane_cells import PaneCells, windows_of
from schemas.pane_rows import PaneForm
from schemas.times import format_rfc3339
from tests.metric_builders import BASE, MINUTE, PLAIN, WIDE, Seen
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.pipelines.live_windows import message
from tests.pipelines.window_runs import events_file, recompute, run, served, sinks
from tests.warm_archive import WarmArchive
from transforms.write_cell_lines import read_lines

pytestmark = pytest.mark.engine

TABLE = "projects/p/instances/i/tables/t"
SERVED = [msgspec.structs.replace(each, bigtable=True) for each in (WIDE, PLAIN)]
OF_PANE = ("pane_index", "timing", "generation", "insert_id")
SEEN = [
    Seen(
        f"e{n}",
        ("page_view", "click", "quiz_submitted")[n % 3],
        BASE + n * 11_000_000,
        user="a#%" * (n % 2),
        page="/a",
        duration=n,
        published=BASE + n,
    )
    for n in range(60)
]


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def arguments(folder, *more, seen=SEEN):
    return [
        f"--input_files={events_file(folder, seen)}",
        f"--metrics={served(folder)}",
        *sinks(folder),
        *more,
    ]


def archive_arguments(folder, *more):
    archive = WarmArchive(str(folder / "archive"))
    archive.put(map(message, SEEN))
    archive.mark(BASE + 30 * 1_440 * MINUTE)
    return [
        f"--input_archive={archive.root}",
        f"--from={format_rfc3339(BASE)}",
        f"--to={format_rfc3339(BASE + 60 * MINUTE)}",
        f"--metrics={served(folder)}",
        *sinks(folder),
        *more,
    ]


def online(*folders):
    """What a reader of the cells of some runs, one after the other, is told of each window."""
    lines = sorted(
        applied(*(read_lines(str(folder)) for folder in folders)), key=lambda line: line.key
    )
    rows = {key: [*found] for key, found in groupby(lines, key=lambda line: line.key)}
    shown = []
    for metric in SERVED:
        form, cells_of = PaneForm(metric), PaneCells(metric)
        keys = {
            cells_of.row_key(encoded): encoded
            for encoded in map(msgspec.msgpack.encode, keys_of(metric))
        }
        for key, encoded in keys.items():
            cells = [
                (line.family, line.qualifier, line.timestamp_micros, line.value)
                for line in rows.get(key, ())
            ]
            shown += [
                (metric.name, form.shown(each)) for each in windows_of(metric, encoded, cells)
            ]
    assert len(rows) == len({json.dumps([name, *of_key(row)]) for name, row in shown})
    return sorted(shown, key=json.dumps)


def keys_of(metric):
    if metric.name == "plain":
        return [[""], ["a#%"]]
    return [
        ["page_view", "web", None],
        ["click", "web", None],
        ["quiz_submitted", None, "/a"],
    ]


def of_key(row):
    return [row.get(name) for name in ("kind", "platform", "course", "user_id")]


def viewed(left):
    """The same of the views."""
    return sorted(
        (
            (metric.name, {name: row[name] for name in row if name not in OF_PANE})
            for metric in SERVED
            for row in left.current(metric).values()
        ),
        key=json.dumps,
    )


def test_cells_say_what_the_views_show_and_the_same_run_again_changes_nothing(tmp_path):
    cells = tmp_path / "cells"
    done = run(arguments(tmp_path, f"--cells_output={cells}"), tmp_path, bundle_repeat=1)
    assert online(cells) == viewed(done) != []
    assert done.counters["mutations"] == done.counters["written"] == done.counters["panes_on_time"]
    objects = {path.name: path.read_bytes() for path in cells.rglob("*.ndjson")}
    run(arguments(tmp_path, f"--cells_output={cells}"), tmp_path)
    assert {path.name: path.read_bytes() for path in cells.rglob("*.ndjson")} == objects


def test_a_recomputation_clears_what_no_event_has_and_brings_in_what_is_late(tmp_path):
    first, anew = tmp_path / "first", tmp_path / "anew"
    # An event too many, and half of the others.
    wrong = [Seen("x", "page_view", BASE + 30 * MINUTE, user="", page="/a"), *SEEN[::2]]
    run(arguments(tmp_path, f"--cells_output={first}", seen=wrong), tmp_path)
    done = recompute(archive_arguments(tmp_path, f"--cells_output={anew}"), tmp_path)
    assert online(first, anew) == viewed(done)
    assert online(first) != online(first, anew)
    assert done.counters["mutations"] == done.counters["written"] > 0


def test_refused_changes_of_a_recomputation_are_told():
    assert refused_cells({"refused": 0, "written": 5}) is None
    assert refused_cells({"refused": 2}).startswith("2 changes of Bigtable rows were refused")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "metric plain says `bigtable: true`: name --bigtable_table=projects/P/instances/I/"),
        (["--bigtable_table=t"], "--bigtable_table: table 't': write projects/PROJECT/instances"),
        ([f"--bigtable_table={TABLE}", "--cells_output=c"], "name at most one of the two"),
        (["--cells_output=c", "--app_profile=a"], "--app_profile goes with --bigtable_table"),
        (["--cells_output=c", "--features=f"], "--features goes with --bigtable_table"),
        ([f"--bigtable_table={TABLE}", "--flow_control=x"], "--flow_control=x: write true or"),
        ([f"--bigtable_table={TABLE}", "--features=/nowhere"], "no feature file (*.yaml) is there"),
        (["--cells_output=/dev/null/cells"], "--cells_output=/dev/null/cells"),
    ],
)
@pytest.mark.parametrize("job", ["live", "recompute"])
def test_wrong_usage_is_one_line_with_the_remedy(tmp_path, capsys, job, more, words):
    chosen = (main, arguments) if job == "live" else (recompute_main, archive_arguments)
    status = chosen[0](chosen[1](tmp_path, *more))
    printed = capsys.readouterr().err
    assert status == 2
    assert words in printed
    assert len(printed.splitlines()) == 1
    assert not (tmp_path / "rows").exists()


def test_a_sink_of_cells_without_a_metric_for_it_is_refused(tmp_path, capsys):
    argv = arguments(tmp_path, "--cells_output=c")
    for file in (tmp_path / "metrics").iterdir():
        file.write_text(file.read_text().replace("bigtable: true", "bigtable: false"))
    assert main(argv) == 2
    assert "--cells_output: no metric says `bigtable: true`" in capsys.readouterr().err


def test_a_metric_that_is_called_like_an_entity_is_refused(tmp_path, capsys):
    argv = arguments(tmp_path, f"--bigtable_table={TABLE}")
    (tmp_path / "metrics" / "plain.yaml").write_text(
        "{name: user, doc: d, windows: [1m], bigtable: true}"
    )
    assert main(argv) == 2
    assert "metric user is called like the entity user of the feat" in capsys.readouterr().err


def test_the_dry_run_of_a_replay_needs_no_table(tmp_path, capsys):
    argv = [one for one in archive_arguments(tmp_path) if "output" not in one]
    assert main([*argv, "--dry_run"]) == 0
    assert "objects" in capsys.readouterr().out
