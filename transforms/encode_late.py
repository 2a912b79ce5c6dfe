"""Late events -> rows of `ops.late`."""

from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.late import LateEvent
from schemas.late_rows import late_row
from schemas.ops_tables import LATE
from schemas.row_packs import RowPack

__all__ = ["EncodeLate"]


@dataclass
class EncodeLate(beam.PTransform[PCollection[LateEvent], PCollection[RowPack]]):
    """PCollection[LateEvent] -> PCollection[RowPack], one row each; the late are few.

    Equal events have equal rows and insert ids. Windows and timestamps stay.
    """

    def expand(self, late: PCollection[LateEvent]) -> PCollection[RowPack]:
        """Encode each."""
        return late | "EncodeRow" >> beam.Map(_packed).with_output_types(RowPack)


def _packed(event: LateEvent) -> RowPack:
    row, insert_id = late_row(event)
    return RowPack(LATE.full_name, [row], [insert_id])
