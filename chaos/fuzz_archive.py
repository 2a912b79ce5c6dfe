"""Fuzz targets of Avro objects: of the raw archive, and of the quarantine."""

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from unittest import mock

import msgspec

from chaos.fuzz_avro import mutate_container
from chaos.fuzz_mutations import mutate_bytes, one_of
from chaos.fuzz_target import CANARY, Target, promise, promise_one_line
from schemas import avro_blocks, quarantine_avro
from schemas.archive_avro import BadObjectError, Fault, from_avro, read_blocks, to_avro
from schemas.archive_blocks import CODECS
from schemas.archive_rows import Tally, proven_packs
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from schemas.quarantine_reading import proven_records, records_of
from schemas.rejected import Rejected

__all__ = ["OBJECTS", "QUARANTINES", "low_bounds"]

_FAULTS = frozenset(each for name, each in vars(Fault).items() if not name.startswith("_"))
_BLOCK_BYTES = 4_000_000
_BLOCK_ROWS = 20_000
"""The bounds of a block are lowered, so that one beyond them is found in milliseconds."""
_TIMES = (0, 1_770_000_000_000_000, -1, 2**63 - 1, -(2**63), 1_770_000_000_000_001)


def _check_object(content: bytes) -> None:
    """Read an object as it is, and as the one that a manifest names."""
    with low_bounds():
        pack = _read(content)
        if pack is not None:
            _check_pack(content, pack)
        _check_entry(content, pack)


def _read(content: bytes) -> RawPack | None:
    try:
        return from_avro(content)
    except BadObjectError as error:
        _check_fault(error)
        return None


def _check_fault(error: BadObjectError) -> None:
    promise_one_line(error)
    promise(error.fault in _FAULTS, "a fault has its code")
    promise(CANARY not in str(error), "a fault tells no value")


def _check_pack(content: bytes, pack: RawPack) -> None:
    rows = _rows(pack)
    promise(_rows(RawPack.join(read_blocks(content))) == rows, "blocks hold what the object does")
    try:
        written = to_avro(pack, "null")
    except UnicodeEncodeError:
        promise(False, "texts of an object are UTF-8")
    except OverflowError:
        return
    promise(_rows(from_avro(written)) == rows, "messages are read as they are written")


def _rows(pack: RawPack) -> list[tuple[object, ...]]:
    return [msgspec.structs.astuple(pack.row(row)) for row in range(len(pack))]


def _check_entry(content: bytes, pack: RawPack | None) -> None:
    """An object that is read counts as its manifest says."""
    for codec in CODECS:
        for events in {3, len(pack) if pack is not None else 0}:
            entry = ManifestEntry(
                digest=_honest().digest, events=events, size=len(content), first_publish=0,
                last_publish=0, codec=codec,
            )  # fmt: skip
            _check_proof(entry, content)


def _check_proof(entry: ManifestEntry, content: bytes) -> None:
    try:
        found = sum(map(len, entry.packs(content)))
    except BadObjectError as error:
        _check_fault(error)
    else:
        promise(content == _honest().content, "only the object that was written has its digest")
        promise(found == entry.events, "an object that is read counts as its manifest says")
    tally = Tally()
    try:
        for pack in proven_packs(entry, content):
            tally.add(pack)
    except BadObjectError as error:
        _check_fault(error)
    else:
        promise(tally.count == entry.events, "what compaction proves counts as well")


class _Honest(msgspec.Struct):
    content: bytes
    digest: str


@functools.cache
def _honest() -> _Honest:
    pack = RawPack([CANARY.encode(), b"", b"{}"], [1, 2, 3], ["a", "b", "c"])
    content = to_avro(pack, "zstd")
    return _Honest(content, ManifestEntry.of(pack, content, "zstd").digest)


def _object_seeds() -> Iterator[bytes]:
    payloads = [CANARY.encode(), b"", b'{"a": 1}', b"\0" * 300, b"x" * 5_000, b"\xff"]
    plain = RawPack(payloads, list(_TIMES), [f"{number:04}" for number in range(6)])
    marked = msgspec.structs.replace(
        plain,
        attributes=[{"a": CANARY}, {}, {"": ""}, {"é": "ß"}, {}, {"b": "x" * 200}],
        ordering_keys=["", "k", "", "", "", "é"],
    )
    usual = RawPack([b"a", b"bc", b"{}"], [1_770_000_000_000_000] * 3, ["11", "12", "13"])
    for pack in (plain, marked, usual, RawPack([b""], [0])):
        for codec in CODECS:
            yield to_avro(pack, codec)
    yield _honest().content


@contextmanager
def low_bounds() -> Iterator[None]:
    """Lower the bounds of a block while it lasts; what is read within them is read the same."""
    with (
        mock.patch.object(avro_blocks, "MOST_BLOCK_BYTES", _BLOCK_BYTES),
        mock.patch.object(avro_blocks, "MOST_BLOCK_ROWS", _BLOCK_ROWS),
    ):
        yield


def _check_quarantine(content: bytes) -> None:
    with low_bounds():
        try:
            found = list(proven_records(content))
        except BadObjectError as error:
            _check_fault(error)
            return
        promise(found == list(records_of(content)), "an object always says the same")
        if all(map(_can_be_written, found)):
            written = quarantine_avro.to_avro(found)
            again = list(records_of(written)) if found else []
            promise(again == found, "records are read as they are written")
            promise(quarantine_avro.to_avro(again) == written, "equal records give equal bytes")


def _can_be_written(record: Rejected) -> bool:
    """Times that no reader could show become null; Avro's int has 32 bits."""
    first, last = -62_135_596_800_000_000, 253_402_300_800_000_000
    times = (record.event_time or 0, record.publish_time or 0, record.rejected_at)
    return all(first <= time < last for time in times) and -(2**31) <= record.attempt < 2**31


def _quarantine_seeds() -> Iterator[bytes]:
    first = Rejected("Decode", "not_json", "payload: not JSON", b"{", {}, "7", "", None, None)
    others = [
        msgspec.structs.replace(first, payload=CANARY.encode(), attributes={"a": CANARY}),
        msgspec.structs.replace(first, event_time=5, publish_time=_TIMES[1], rejected_at=6),
        msgspec.structs.replace(first, job="j", attempt=3, replayed_from="a", run="r"),
    ]
    yield quarantine_avro.to_avro([first])
    yield quarantine_avro.to_avro([first, *others])
    yield to_avro(RawPack([b"a"], [1]), "null")


def _mutate_object(data: bytes, random: Random) -> bytes:
    return mutate_container(data, random)


OBJECTS = Target(
    "archive_objects",
    "an object is read whole or refused with its fault; it counts as its manifest says",
    _check_object,
    _object_seeds,
    one_of((6, _mutate_object), (1, mutate_bytes)),
    weight=8,
    megabytes=192 if sys.maxsize > 2**32 else 96,
)
QUARANTINES = Target(
    "quarantine_objects",
    "records are read or the object is refused with its fault, before the first one is handed on",
    _check_quarantine,
    _quarantine_seeds,
    one_of((6, _mutate_object), (1, mutate_bytes)),
    weight=6,
)
