"""The sinks in a streaming job on Prism: an unbounded input, Bigtable and Cloud Storage."""

import apache_beam as beam
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.options.pipeline_options import PipelineOptions

from schemas.cells import Cell, RowChange
from schemas.late import LateEvent
from tests.emulators.test_write_cells import folded, of_changes, read
from transforms.object_store import read_objects
from transforms.quarantine import Quarantine, read_quarantine
from transforms.write_cell_lines import WriteCellLines, read_cell_lines
from transforms.write_cells import WriteCells
from transforms.write_late import WriteLate

COUNT = 300
TRACKER = beam.DoFn.RestrictionParam()


class Count(beam.DoFn, beam.RestrictionProvider):
    """An unbounded source of the numbers below `COUNT`."""

    def initial_restriction(self, element):
        return OffsetRange(0, COUNT)

    def create_tracker(self, restriction):
        return OffsetRestrictionTracker(restriction)

    def restriction_size(self, element, restriction):
        return restriction.size()

    @beam.DoFn.unbounded_per_element()
    def process(self, element, tracker=TRACKER):
        number = tracker.current_restriction().start
        while tracker.try_claim(number):
            yield number
            number += 1


def change(number):
    family = "nowhere" if number % 100 == 7 else "s"
    return RowChange(b"r%d" % number, [Cell(family, "q", number * 1_000, b"x")])


def late(number):
    return LateEvent(number, None, b'{"n":%d}' % number)


def test_an_unbounded_job_writes_refuses_and_keeps_every_row(
    bigtable_emulator, gcs_emulator, prism_binary
):
    table, bucket = bigtable_emulator.table(), f"gs://{gcs_emulator.bucket()}"
    options = PipelineOptions(
        runner="PrismRunner",
        prism_location=str(prism_binary),
        environment_type="LOOPBACK",
        streaming=True,
    )
    with beam.Pipeline(options=options) as pipeline:
        numbers = pipeline | beam.Create(["all"]) | beam.ParDo(Count()).with_output_types(int)
        assert not numbers.is_bounded
        changes = numbers | "Change" >> beam.Map(change).with_output_types(RowChange)
        written = changes | WriteCells(table)
        _ = written.rejected | Quarantine(f"{bucket}/quarantine", job="prism")
        _ = changes | WriteCellLines(f"{bucket}/cells")
        events = numbers | "Late" >> beam.Map(late).with_output_types(LateEvent)
        _ = events | WriteLate(f"{bucket}/late")
    good = [change(n) for n in range(COUNT) if n % 100 != 7]
    assert folded(read(table)) == of_changes(good)
    refused = [*read_quarantine(f"{bucket}/quarantine")]
    assert (len(refused), {record.job for record in refused}) == (3, {"prism"})
    lines = read_cell_lines(f"{bucket}/cells")
    assert {line.key for line in lines} == {change(n).row_key for n in range(COUNT)}
    objects = read_objects(f"{bucket}/late", ".ndjson")
    assert sorted(line for _, content in objects for line in content.splitlines()) == sorted(
        late(n).line for n in range(COUNT)
    )
