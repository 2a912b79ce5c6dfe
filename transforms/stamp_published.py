"""Gives messages from sources without publish times one, and their elements its timestamp."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.packs import RawPack

__all__ = ["StampPublished", "stamped"]


def stamped(pack: RawPack, now: int) -> RawPack:
    """Return the pack with `now` for each publish time that is missing, in microseconds.

    >>> stamped(RawPack([b"a", b"b"], [7, None]), 9).publish_times
    [7, 9]
    """
    times = pack.publish_times or [None] * len(pack)
    published = [now if time is None else time for time in times]
    return msgspec.structs.replace(pack, publish_times=published)


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
        published: Any = packs | "Stamp" >> beam.Map(_stamp, self.now).with_output_types(RawPack)
        return published


def _stamp(pack: RawPack, now: int) -> TimestampedValue:
    made = stamped(pack, now)
    least = min(time for time in made.publish_times or [now] if time is not None)
    return TimestampedValue(made, Timestamp(micros=least))
