"""Writes late events, whole, as NDJSON by day; a repair reads them again."""

from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.late import LateEvent
from transforms.object_names import date_folder
from transforms.object_store import check_path
from transforms.write_objects import WriteLines

__all__ = ["WriteLate"]


@dataclass
class WriteLate(beam.PTransform[PCollection[LateEvent], PCollection[str]]):
    """PCollection[LateEvent] -> `<path>/dt=YYYY-MM-DD/<digest>.ndjson`; yields the objects' names.

    The day is that of the publish time, else of the event, in UTC. Any windows; repetition and
    errors are as in `WriteObjects`. Counter: `late_written`.

    Args:
        path: local folder or gs://BUCKET/FOLDER.
    """

    path: str

    def __post_init__(self) -> None:
        """Check the path; nothing is opened."""
        self.path = check_path(self.path)

    def expand(self, late: PCollection[LateEvent]) -> PCollection[str]:
        """Name each event's folder and write."""
        return (
            late
            | "NameFolder" >> beam.Map(_placed).with_output_types(tuple[str, bytes])
            | "WriteLateLines" >> WriteLines(self.path, "late_written")
        )


def _placed(event: LateEvent) -> tuple[str, bytes]:
    published = event.publish_time
    return date_folder(event.event_time if published is None else published), event.line
