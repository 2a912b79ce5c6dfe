"""Gives messages from sources without publish times one, and their elements its timestamp."""

from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.packs import RawPack
from transforms.split_by_hour import published

__all__ = ["StampPublished"]


@dataclass
class StampPublished(beam.PTransform[PCollection[RawPack], PCollection[RawPack]]):
    """PCollection[RawPack] -> the same with a publish time for every message.

    A pack gets the least of its publish times as its timestamp. Windows stay.

    Args:
        now: stands in for a publish time, in microseconds; the same for every run that is to give
            the same archive.
    """

    now: int

    def expand(self, packs: PCollection[RawPack]) -> PCollection[RawPack]:
        """Stamp each pack."""
        stamp = beam.Map(_stamped, self.now)
        return packs | "Stamp" >> stamp.with_output_types(RawPack)


def _stamped(pack: RawPack, now: int) -> TimestampedValue:
    made = published(pack, now)
    least = min((time for time in made.publish_times or [] if time is not None), default=now)
    return TimestampedValue(made, Timestamp(micros=least))
