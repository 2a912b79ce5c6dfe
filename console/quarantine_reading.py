"""What `penstock quarantine ls` and `penstock quarantine show` do."""

import functools
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import msgspec

from console.quarantine_objects import QuarantineObjects
from schemas.contract import load_contracts
from schemas.locations import expanded
from schemas.masking import Masking
from schemas.rejected import Rejected
from schemas.released import release_key
from schemas.times import SECOND, format_rfc3339
from transforms.quarantine_filter import Filter, time_of

__all__ = ["Report", "quarantine_counts", "quarantine_samples"]

_Place: TypeAlias = tuple[str, str, int]
"""Step, reason, and hours since the epoch."""

_HOUR = 3_600 * SECOND
_HEAD = ("step", "reason", "hour", "records")
# Told by the suite itself, where the record has them: no word of the input.
_PROVENANCE = ("replayed_from", "run")
_encode = msgspec.json.Encoder(decimal_format="number").encode
_not_ascii = re.compile(r"[^\x20-\x7e]")


@dataclass
class _Counted:
    """What is counted of an object."""

    places: Counter[_Place] = field(default_factory=Counter)
    released: int = 0
    sinks: Counter[str] = field(default_factory=Counter)
    again: int = 0

    def __bool__(self) -> bool:
        return bool(self.places or self.released)


class Report(NamedTuple):
    """Lines to print, made while they are taken, and then whether all objects could be read."""

    lines: Iterator[str]
    objects: QuarantineObjects


def quarantine_counts(path: str, chosen: Filter, complain: Callable[[str], None]) -> Report:
    """Count records by step, reason and hour; what was released from there is told apart.

    Holds the counts, one object at a time, and 16 bytes for each message and sink that it was
    released into.

    Raises:
        ValueError: the path cannot be used.
        ServiceError: the ledger of releases cannot be read.
    """
    objects = QuarantineObjects(path, complain)
    return Report(_counted(objects, chosen), objects)


def quarantine_samples(
    path: str,
    chosen: Filter,
    limit: int,
    raw: bool,
    contracts: str | None,
    complain: Callable[[str], None],
) -> Report:
    """Show the first records as JSON lines; masked, unless they are wanted raw.

    Raises:
        ValueError: the path or the contracts cannot be used.
    """
    masking = None if raw else Masking(load_contracts(contracts and expanded(contracts)))
    objects = QuarantineObjects(path, complain)
    return Report(_samples(objects, chosen, limit, masking), objects)


def _counted(objects: QuarantineObjects, chosen: Filter) -> Iterator[str]:
    counts: Counter[_Place] = Counter()
    sinks: Counter[str] = Counter()
    of_released = again = 0
    for each in objects.take(chosen, functools.partial(_count, objects)):
        counts.update(each.places)
        of_released += each.released
        sinks.update(each.sinks)
        again += each.again
    rows = [
        (_printable(step), _printable(reason), str(_shown_time(hour * _HOUR)), str(count))
        for (step, reason, hour), count in sorted(counts.items())
    ]
    if rows:
        yield from _table([_HEAD, *rows])
    yield f"records: {counts.total()}, objects: {objects.read}, bytes: {objects.size}"
    if again:
        yield f"refused again: {again} of them, each beside the record before it"
    if of_released:
        yield f"released: {of_released} records, which are not in this"
    for sink, count in sorted(sinks.items()):
        yield f"released into {_printable(sink)}: {count}"


def _count(objects: QuarantineObjects, records: Iterator[Rejected]) -> _Counted:
    counted = _Counted()
    for each in records:
        key = release_key(each) if objects.released else b""
        sinks = [sink for sink, keys in objects.released.items() if key in keys]
        if sinks:
            counted.released += 1
            counted.sinks.update(sinks)
        else:
            counted.places[each.step, each.reason, time_of(each) // _HOUR] += 1
            counted.again += each.attempt > 0
    return counted


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines with aligned columns, the last one to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *cells, count in rows:
        texts = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
        yield "  ".join([*texts, count.rjust(widths[-1])])


def _printable(text: str) -> str:
    return _escaped(text) if text else '""'


def _samples(
    objects: QuarantineObjects, chosen: Filter, limit: int, masking: Masking | None
) -> Iterator[str]:
    left = limit
    for records in objects.take(chosen, functools.partial(_first, limit)):
        for record in records[:left]:
            yield _escaped(_encode(_told(record) | _content(record, masking)).decode())
        left -= len(records)
        if left <= 0:
            return


def _first(count: int, records: Iterator[Rejected]) -> list[Rejected]:
    first = [*itertools.islice(records, count)]
    # An object is whole only if its last record can be read too.
    for _ in records:
        pass
    return first


def _told(record: Rejected) -> dict[str, Any]:
    """Return what the suite itself says of a record."""
    told = {
        "step": record.step,
        "reason": record.reason,
        "detail": record.detail,
        "event_time": _shown_time(record.event_time),
        "publish_time": _shown_time(record.publish_time),
        "rejected_at": _shown_time(record.rejected_at),
        "job": record.job,
        "attempt": record.attempt,
    }
    provenance = {name: getattr(record, name, None) for name in _PROVENANCE}
    return {**told, **{name: value for name, value in provenance.items() if value}}


def _content(record: Rejected, masking: Masking | None) -> dict[str, Any]:
    """Return what came with the message."""
    return {
        "message_id": record.message_id,
        "ordering_key": masking.ordering_key(record) if masking else record.ordering_key,
        "attributes": masking.attributes(record) if masking else record.attributes,
        "payload_bytes": len(record.payload),
        **({"payload": masking.payload(record)} if masking else _raw(record.payload)),
    }


def _raw(payload: bytes) -> dict[str, str | bytes]:
    try:
        return {"payload": payload.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": payload}


def _escaped(text: str) -> str:
    """Return JSON text as ASCII: what was refused may hold what a terminal obeys."""
    return _not_ascii.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _shown_time(moment: int | None) -> str | None:
    return None if moment is None else format_rfc3339(moment)
