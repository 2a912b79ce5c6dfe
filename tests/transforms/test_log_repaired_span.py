"""The record of a repair of a whole span, written by the job when its rows are."""

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from schemas.repairs import Repair
from tests.engine import run_batch
from transforms.log_repairs import LogRepairedSpan, read_repairs

TABLE = "projects/p/instances/i/tables/t"
REPAIR = Repair(table=TABLE, run="r", started_at=7, start=0, end=3_600_000_000)


@pytest.mark.parametrize("rows", [[], [b"a", b"b", b"a"]])
def test_one_record_is_left_whatever_the_number_of_rows_and_retries(tmp_path, rows):
    archive = str(tmp_path)
    outcome = run_batch(
        lambda pipeline: {
            "paths": pipeline
            | beam.Create(rows).with_output_types(bytes)
            | LogRepairedSpan(archive, REPAIR)
        },
        bundle_repeat=1,
    )
    assert set(outcome["paths"]) == {f"{archive}/{REPAIR.name}"}
    assert list(read_repairs(archive, TABLE)) == [REPAIR]


def _fail(row):
    raise OSError(f"no {row!r}")


def test_no_record_is_left_of_rows_that_could_not_be_written(tmp_path):
    pipeline = beam.Pipeline(runner=FnApiRunner())
    failing = pipeline | beam.Create([b"a"]) | beam.Map(_fail).with_output_types(bytes)
    _ = failing | LogRepairedSpan(str(tmp_path), REPAIR)
    with pytest.raises(Exception, match="no b'a'"):
        pipeline.run().wait_until_finish()
    assert list(read_repairs(str(tmp_path), TABLE)) == []
