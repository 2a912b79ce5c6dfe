"""What an audit needs of the rows in files: a row without it is none that a job wrote."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from schemas.ops_tables import LATE, RECOMPUTED

__all__ = ["checking"]

_T = TypeVar("_T")
_Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
_Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


class _Curated(msgspec.Struct):
    event_id: str
    event_timestamp: _Time
    content_digest: _Digest
    publish_time: _Time | None = None
    message_id: str | None = None


class _Pane(msgspec.Struct):
    window: str
    window_start: _Time
    event_count: int
    pane_index: int
    generation: int
    insert_id: str


class _Late(msgspec.Struct):
    event_id: str
    event_timestamp: _Time
    late_for: list[str]


class _Recomputed(msgspec.Struct):
    metric: str
    window: str
    window_start: _Time
    generation: int


_FORMS: dict[str, type[msgspec.Struct]] = {
    "silver_": _Curated,
    "ops.panes_": _Pane,
    LATE.full_name: _Late,
    RECOMPUTED.full_name: _Recomputed,
}


def checking(table: str, decode: Callable[[bytes], _T]) -> Callable[[bytes], _T]:
    """Return what decodes a line of a table, and refuses one without what is needed of it.

    >>> checking("ops.late", len)(b'{"event_id":"e"}')
    Traceback (most recent call last):
        ...
    msgspec.ValidationError: Object missing required field `event_timestamp`
    """
    form = next((form for start, form in _FORMS.items() if table.startswith(start)), None)
    if form is None:
        return decode
    check = msgspec.json.Decoder(form).decode

    def checked(line: bytes) -> _T:
        check(line)
        return decode(line)

    return checked
