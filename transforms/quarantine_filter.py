"""Which records of a quarantine are meant."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from schemas.rejected import Reason, Rejected
from schemas.time_range import time_range
from transforms.object_names import date_folder

__all__ = ["EVERYTHING", "Filter", "time_of"]

_PLACE = re.compile(r"(?:^|/)step=([^/]*)/(dt=[^/]*)/[^/]*\Z")
_DAY = re.compile(r"dt=\d{4}-\d\d-\d\d")


class Filter(NamedTuple):
    """What is asked of records; None asks nothing. Times in microseconds, `end` excluded."""

    step: str | None = None
    reason: str | None = None
    start: int | None = None
    end: int | None = None

    @classmethod
    def of(
        cls, step: str | None, reason: str | None, from_: str | None, to: str | None
    ) -> "Filter":
        """Return the filter that the options of a command ask for.

        Raises:
            ValueError: one line that names the option and the remedy.
        """
        if reason is not None and reason not in {each.value for each in Reason}:
            known = ", ".join(each.value for each in Reason)
            msg = f"--reason={reason}: there is none; there are {known}"
            raise ValueError(msg)
        return cls(step, reason, *time_range(from_, to))

    def takes(self, record: Rejected) -> bool:
        """Return whether a record is meant."""
        time = time_of(record)
        return (
            self.step in (None, record.step)
            and self.reason in (None, record.reason)
            and (self.start is None or self.start <= time)
            and (self.end is None or time < self.end)
        )

    def may_hold(self, path: str) -> bool:
        """Return whether an object of this path may hold such records, as its folders say.

        >>> Filter(step="Decode").may_hold("q/step=WriteCells/dt=2026-01-31/x.avro")
        False
        """
        place = _PLACE.search(path)
        if place is None:
            return True
        step, day = unquote(place[1]), place[2]
        if self.step not in (None, step):
            return False
        # Days as text stand in the order of time; a day that is unknown may be any.
        return _DAY.fullmatch(day) is None or (
            (self.start is None or date_folder(self.start) <= day)
            and (self.end is None or day <= date_folder(self.end - 1))
        )


EVERYTHING = Filter()


def time_of(record: Rejected) -> int:
    """Return the time that a record counts for: its publish time, else that of its rejection."""
    return record.rejected_at if record.publish_time is None else record.publish_time
