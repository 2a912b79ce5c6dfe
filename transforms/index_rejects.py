"""Refused records -> rows of `ops.quarantine`, which tell of them without their bytes."""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection

from schemas.reject_rows import reject_row
from schemas.rejected import Rejected
from schemas.row_packs import RowPack

__all__ = ["IndexRejects"]


@dataclass
class IndexRejects(beam.PTransform[PCollection[Rejected], PCollection[RowPack]]):
    """PCollection[Rejected] -> PCollection[RowPack], one row each; the refused are few.

    Insert id and `identity` are the digest of all that does not differ between retries and runs,
    as in the names of objects. Windows and timestamps stay.

    Args:
        job: the name to stamp, as `Quarantine` does.
        replayed_from: archive and source of a replay; empty on the live path.
        run: the run of a replay; empty on the live path.
    """

    job: str = ""
    replayed_from: str = ""
    run: str = ""

    def expand(self, rejected: PCollection[Rejected]) -> PCollection[RowPack]:
        """Encode each."""
        encoding = beam.ParDo(_Encode(self))
        return rejected | "EncodeReject" >> encoding.with_output_types(RowPack)


class _Encode(beam.DoFn):
    def __init__(self, given: IndexRejects) -> None:
        self._stamps = {"job": given.job, "replayed_from": given.replayed_from, "run": given.run}

    def process(self, record: Rejected) -> Iterator[RowPack]:
        missing = {name: said for name, said in self._stamps.items() if not getattr(record, name)}
        yield reject_row(msgspec.structs.replace(record, **missing))
