"""The quarantine and the line objects on the Cloud Storage emulator."""

import apache_beam as beam
import pytest

from schemas.cells import Cell, RowChange
from schemas.events import RawEvent
from schemas.rejected import Reason, Rejected, reject
from tests.engine import run_batch
from transforms.object_store import ObjectStoreError, create_object, read_objects
from transforms.quarantine import Quarantine, read_quarantine
from transforms.write_cell_lines import WriteCellLines, read_cell_lines

pytestmark = pytest.mark.emulator


@pytest.fixture
def bucket(gcs_emulator):
    return gcs_emulator.bucket()


def rejects(count):
    return [
        reject(RawEvent(b"\xff%d" % n, message_id=str(n), publish_time=n), "Decode", reason, "x")
        for n, reason in zip(range(count), [Reason.NOT_UTF8, Reason.NOT_JSON] * count, strict=False)
    ]


def quarantine(records, path, **options):
    def build(pipeline):
        rows = pipeline | beam.Create(records, reshuffle=False).with_output_types(Rejected)
        return {"names": rows | Quarantine(path, clock=float, **options)}

    return run_batch(build, bundle_repeat=1)


def test_records_come_back_from_the_bucket_once_although_bundles_and_jobs_repeat(bucket):
    path = f"gs://{bucket}/quarantine"
    for _ in range(2):
        quarantine(rejects(30), path)
    read = sorted(read_quarantine(path), key=lambda record: int(record.message_id))
    assert read == rejects(30)
    (name,) = [name for name, _ in read_objects(path, ".avro")]
    assert name.startswith(f"{path}/step=Decode/dt=1970-01-01/")


def test_an_object_is_created_once_and_a_second_writer_leaves_it_as_it_is(bucket):
    path = f"gs://{bucket}/a/b.bin"
    assert create_object(path, b"first")
    assert not create_object(path, b"second")
    assert [*read_objects(f"gs://{bucket}/a", ".bin")] == [(path, b"first")]


@pytest.mark.parametrize("name", ["cells", "cells.ndjson"])
def test_cells_come_back_from_the_bucket(bucket, name):
    changes = [RowChange(b"r%d" % n, [Cell("s", "q", n * 1_000, b"x")]) for n in range(20)]
    path = f"gs://{bucket}/out/{name}"
    for _ in range(2):
        run_batch(
            lambda p: {"names": p | beam.Create(changes, reshuffle=False) | WriteCellLines(path)}
        )
    assert sorted(line.key for line in read_cell_lines(path)) == sorted(c.row_key for c in changes)


def test_a_bucket_that_does_not_exist_fails_the_job_with_one_line(bucket):
    with pytest.raises(ObjectStoreError, match=f"gs://{bucket}-not/q") as raised:
        quarantine(rejects(1), f"gs://{bucket}-not/q")
    assert "\n" not in str(raised.value)
