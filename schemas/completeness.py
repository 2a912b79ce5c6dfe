"""The completeness marker: up to which publish time the archive of a source is complete."""

from typing import Annotated

import msgspec

from schemas.archive_layout import EVENTS, source_folder
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.record_file import read_record

__all__ = ["Completeness", "marker_name"]


class Completeness(msgspec.Struct, frozen=True):
    """`complete_to`: every message published before it is in the archive; in microseconds.

    >>> Completeness.from_json(Completeness(5).to_json())
    Completeness(complete_to=5)
    """

    complete_to: Annotated[int, msgspec.Meta(ge=MIN_MICROS, le=MAX_MICROS)]

    def to_json(self) -> bytes:
        """Return the content of the marker's file."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> "Completeness":
        """Read a marker's file.

        Raises:
            ValueError: it is none.
        """
        problem = "no completeness marker; move it away, or put the right one there"
        return read_record(content, cls, problem)


def marker_name(source: str) -> str:
    """Return the name of a source's marker, relative to the archive.

    >>> marker_name("events")
    'raw/events/source=events/_complete.json'
    """
    return f"{EVENTS}/{source_folder(source)}/_complete.json"
