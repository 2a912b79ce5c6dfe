"""`penstock tables diff` on files and on tables of the emulator."""

import apache_beam as beam
import pytest

from console.main import main
from local.tables import read_rows
from schemas.bigtable_table import TableName
from schemas.cells import Cell, Clear, RowChange, row_key
from tests.engine import run_batch
from tests.no_credentials import forget_credentials
from transforms.write_cell_lines import WriteCellLines
from transforms.write_cells import WriteCells

HOUR = 3_600_000_000
TABLE = "projects/p/instances/i/tables/t"


@pytest.fixture
def features(tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    (folder / "user.yaml").write_text(
        "entity: user\nkey: user_id\ntile: 1h\n"
        "state:\n  - {name: last, field: event_type}\n"
        "features:\n  - {name: views, aggregate: count}\n"
    )
    return str(folder)


def run(capsys, *argv):
    with pytest.raises(SystemExit) as left:
        main(["tables", "diff", *map(str, argv)])
    printed = capsys.readouterr()
    return left.value.code, printed.out.splitlines(), printed.err


def views(hour, count):
    return Cell("t", "views", hour * HOUR + count * 1_000, count.to_bytes(8, "big"))


def last(second, value):
    return Cell("s", "last", second * 1_000_000, value)


def change(user, *cells, clears=()):
    return RowChange(row_key("user", user), list(cells), clears)


def key_line(user):
    return f"    {row_key('user', user).decode()}"


def write(changes, place):
    def build(pipeline):
        rows = pipeline | beam.Create(changes, reshuffle=False).with_output_types(RowChange)
        if place.startswith("projects/"):
            return {"written": (rows | WriteCells(place)).written}
        return {"written": rows | WriteCellLines(place)}

    run_batch(build)
    return place


LIVE = [
    *(change("ana", views(1, n), last(n, b"page_view")) for n in (1, 2, 3)),
    *(change(f"u{n}", views(2, n + 1)) for n in range(200)),
]
REPLAYED = [
    change("ana", views(1, 3), last(3, b"page_view")),
    *(change(f"u{n}", views(2, n + 1)) for n in reversed(range(200))),
]


@pytest.fixture(params=["files", "folders", "tables", "table and folder"])
def places(request, tmp_path):
    """Two places of the same kind or of two, as options name them."""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    if request.param == "files":
        return f"{a}.ndjson", f"{b}.jsonl"
    if request.param == "folders":
        return a, b
    emulator = request.getfixturevalue("bigtable_emulator")
    return emulator.table(), emulator.table() if request.param == "tables" else b


@pytest.mark.emulator
def test_the_same_rows_in_other_versions_are_no_difference(capsys, places, features):
    write(LIVE, places[0])
    write(REPLAYED, places[1])
    status, out, err = run(capsys, *places, "--features", features)
    assert (status, err) == (0, "")
    assert out == [f"A {places[0]}: 201 rows", f"B {places[1]}: 201 rows", "no difference"]


@pytest.mark.emulator
def test_rows_and_cells_that_differ_are_counted_with_their_keys(capsys, places, features):
    write([*LIVE, change("gone", views(1, 1))], places[0])
    changed = [change("ana", views(1, 4), views(5, 1), last(3, b"purchase"))]
    write([*changed, *REPLAYED[1:], change("new", views(1, 1))], places[1])
    status, out, _ = run(capsys, *places, "--features", features)
    assert status == 1
    assert out[2:] == [
        "only in A: 1 row",
        key_line("gone"),
        "only in B: 1 row",
        key_line("new"),
        "s:last: 1 cell different, 0 only in A, 0 only in B",
        key_line("ana"),
        "t:views: 1 cell different, 0 only in A, 1 only in B",
        key_line("ana"),
        "different",
    ]
    status, out, _ = run(capsys, *places, "--features", features, "--sample", "0")
    assert (status, [line for line in out if line.startswith(" ")]) == (1, [])


@pytest.mark.emulator
def test_cell_lines_in_a_bucket_are_compared_too(capsys, gcs_emulator, tmp_path, features):
    bucket = f"gs://{gcs_emulator.bucket()}"
    write(LIVE, f"{bucket}/cells")
    write(REPLAYED, str(tmp_path / "cells"))
    status, out, err = run(capsys, f"{bucket}/cells", tmp_path / "cells", "--features", features)
    assert (status, out[-1], err) == (0, "no difference", "")
    status, _, err = run(capsys, f"{bucket}/nothing", tmp_path / "cells")
    assert (status, "no cell lines" in err) == (2, True)
    status, _, err = run(capsys, f"{bucket}-gone/cells", tmp_path / "cells")
    assert (status, len(err.splitlines())) == (2, 1)


def test_what_a_repair_clears_is_not_compared(capsys, tmp_path, features):
    clears = (Clear("t", "views", 0, 9 * HOUR),)
    write([change("ana", views(1, 3))], str(tmp_path / "a"))
    write([change("ana", views(1, 3), clears=clears)], str(tmp_path / "b"))
    status, _, _ = run(capsys, tmp_path / "a", tmp_path / "b", "--features", features)
    assert status == 0


def test_cells_of_undeclared_features_are_named(capsys, tmp_path, features):
    write([change("ana", Cell("t", "old", 0, b"x"))], str(tmp_path / "a"))
    status, out, _ = run(capsys, tmp_path / "a", tmp_path / "a", "--features", features)
    assert status == 0
    assert "t:old: not in the feature files, so each of its versions was compared" in out


def test_a_key_that_a_terminal_would_obey_is_escaped(capsys, tmp_path, features):
    write([change("\x1b[2J\n")], str(tmp_path / "a.ndjson"))
    write([change("\x1b[2J\n", last(1, b"x"))], str(tmp_path / "b.ndjson"))
    status, out, _ = run(capsys, tmp_path / "a.ndjson", tmp_path / "b.ndjson")
    assert status == 1
    assert next(line for line in out if line.startswith("    ")).endswith("#user#\\x1b[2J\\n")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["A"], "name two tables of Bigtable, A and B"),
        (["/nowhere", "/nowhere"], "/nowhere: no table and no cell lines"),
        (["s3://b/x", "/nowhere"], "write a local folder or gs://BUCKET/FOLDER"),
        (["here", "here", "--sample=-1"], "--sample"),
        (["here", "here", "--features=/nowhere"], "/nowhere"),
        (["here", "torn"], "line 1 is no cell"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_status_two(capsys, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    write([change("ana", views(1, 3))], "here")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "a.ndjson").write_bytes(b'{"row_key":"r"}\n')
    status, out, err = run(capsys, *argv)
    assert (status, out, len(err.splitlines())) == (2, [], 1)
    assert words in err


@pytest.mark.parametrize(("place", "variable"), [(TABLE, "BIGTABLE"), ("gs://b/cells", "STORAGE")])
def test_without_credentials_one_line_names_the_remedy(
    capsys, monkeypatch, tmp_path, place, variable
):
    forget_credentials(monkeypatch, tmp_path)
    status, out, err = run(capsys, place, place)
    assert (status, out) == (2, [])
    assert err == (
        f"penstock: {place}: no Google Cloud credentials; "
        f"run gcloud auth application-default login, or export {variable}_EMULATOR_HOST\n"
    )


@pytest.mark.emulator
def test_a_missing_table_and_a_service_that_is_not_there_are_one_line(
    capsys, monkeypatch, bigtable_emulator
):
    there = bigtable_emulator.table()
    status, out, err = run(capsys, there, f"{there}-gone")
    assert (status, out, len(err.splitlines())) == (2, [], 1)
    assert f"{there}-gone: no such table" in err
    monkeypatch.setattr("local.tables._PATIENCE", 0.5)
    monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", "127.0.0.1:1")
    status, out, err = run(capsys, there, there)
    assert (status, out, len(err.splitlines())) == (2, [], 1)
    assert "check the name, and that the service runs" in err


@pytest.mark.emulator
def test_rows_are_read_page_by_page_in_order_of_their_keys(bigtable_emulator, monkeypatch):
    table = write(LIVE, bigtable_emulator.table())
    monkeypatch.setattr("local.tables._PAGE_ROWS", 7)
    rows = list(read_rows(TableName.parse(table)))
    keys = [key for key, _ in rows]
    assert keys == sorted({change.row_key for change in LIVE})
    assert sum(len(cells) for _, cells in rows) >= 202
