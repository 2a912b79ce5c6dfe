import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream

from schemas.cell_lines import ClearLine, applied
from schemas.cells import Cell, Clear, RowChange
from tests.engine import run_batch
from transforms.write_cell_lines import WriteCellLines, read_cell_lines, read_lines

pytestmark = pytest.mark.engine


def changes(count):
    return [
        RowChange(f"r{n}".encode(), [Cell("s", "a", n * 1_000, b"x"), Cell("t", "b", 0, b"y")])
        for n in range(count)
    ]


def write(given, path, bundle_repeat=0):
    def build(pipeline):
        rows = pipeline | beam.Create(given, reshuffle=False).with_output_types(RowChange)
        return {"names": rows | WriteCellLines(str(path))}

    return run_batch(build, bundle_repeat)


def cells(path):
    return sorted(
        (line.row_key, line.family, line.qualifier, line.timestamp_micros, line.value)
        for line in read_cell_lines(str(path))
    )


def expected(given):
    return sorted(
        (change.row_key.decode(), c.family, c.qualifier, c.timestamp, c.value)
        for change in given
        for c in change.cells
    )


@pytest.mark.parametrize("name", ["cells", "cells.ndjson", "deep/er/cells.jsonl"])
@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_each_cell_is_one_line_once_also_where_bundles_run_twice(tmp_path, name, bundle_repeat):
    write(changes(30), tmp_path / name, bundle_repeat)
    assert cells(tmp_path / name) == expected(changes(30))


def test_a_file_is_sorted_and_does_not_depend_on_the_order_of_the_changes(tmp_path):
    write(changes(30), tmp_path / "a.ndjson")
    write(changes(30)[::-1], tmp_path / "b.ndjson")
    lines = (tmp_path / "a.ndjson").read_bytes().splitlines()
    assert lines == sorted(lines)
    assert (tmp_path / "a.ndjson").read_bytes() == (tmp_path / "b.ndjson").read_bytes()


def test_a_folder_holds_the_same_objects_whatever_the_order_of_the_changes(tmp_path):
    names = write(changes(30), tmp_path)["names"]
    assert write(changes(30)[::-1], tmp_path)["names"] == names
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.ndjson")] == names


def test_a_file_of_no_cells_is_written_empty_and_replaces_an_older_one(tmp_path):
    for given in (changes(2), []):
        write(given, tmp_path / "c.ndjson")
    assert (tmp_path / "c.ndjson").read_bytes() == b""


def test_changes_are_counted_as_by_the_bigtable_sink(tmp_path):
    counters = write(changes(30), tmp_path).counters
    assert (counters["mutations"], counters["written"]) == (30, 30)
    assert counters["cells_written"] == 60


def test_a_stream_must_name_a_folder(tmp_path):
    pipeline = beam.Pipeline(options=PipelineOptions(streaming=True))
    stream = pipeline | TestStream()
    with pytest.raises(ValueError, match="needs a folder"):
        _ = stream | WriteCellLines(str(tmp_path / "c.ndjson"))


@pytest.mark.parametrize("name", ["repair", "repair.ndjson"])
def test_a_repair_is_applied_to_what_an_earlier_run_left(tmp_path, name):
    write(changes(3), tmp_path / "live")
    repaired = [RowChange(b"r1", [Cell("t", "b", 1_000, b"z")], (Clear("t", "b", 0, 9_000),))]
    write(repaired, tmp_path / name)
    assert cells(tmp_path / name) == [("r1", "t", "b", 1_000, b"z")]
    lines = list(read_lines(str(tmp_path / name)))
    assert [line.clear_to_micros for line in lines if isinstance(line, ClearLine)] == [9_000]
    stands = applied(read_lines(str(tmp_path / "live")), lines)
    tiles = {(line.row_key, line.timestamp_micros, line.value) for line in stands}
    assert tiles - {(f"r{n}", n * 1_000, b"x") for n in range(3)} == {
        ("r0", 0, b"y"),
        ("r1", 1_000, b"z"),
        ("r2", 0, b"y"),
    }


def test_a_line_that_is_none_is_named_without_its_value(tmp_path):
    file = tmp_path / "c.ndjson"
    good = b'{"row_key":"r","family":"s","qualifier":"q","timestamp_micros":1,"value":"eA=="}\n'
    for bad in (b'"secret"', b'1,"\xff":"secret"'):
        file.write_bytes(good + good.replace(b"1", bad))
        with pytest.raises(ValueError, match="line 2 is no cell") as raised:
            list(read_cell_lines(str(file)))
        assert str(file) in str(raised.value)
        assert "secret" not in str(raised.value)
