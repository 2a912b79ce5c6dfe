"""Seeded inputs of the benchmarks, generated once and kept in the user's cache folder."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from local.cache import built_once, source_key
from local.chance import Chance
from local.generate import Message, generate, write_lines
from local.plan import DAY, Faults, Plan
from schemas.archive_avro import in_order, to_avro
from schemas.archive_layout import EVENTS, hour_folder
from schemas.contract import load_contracts
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from transforms.object_store import create_object
from transforms.split_by_hour import Gathered, HourBuffer

__all__ = ["ARCHIVE", "SOURCE", "Archived", "Input", "prepared"]

ARCHIVE = "archive"
"""The folder of an archive, beside the file of the same events."""
SOURCE = "benchmark"

_ROOT = Path(__file__).parents[1]
_GENERATOR = ("chance", "clock_text", "sample", "story", "plan", "faults", "generate")
_ARCHIVING = ("archive_avro", "archive_blocks", "archive_layout", "manifest", "raw_avro_rows")
_SEED = 20_260_101
_LINES = "events.ndjson"
_PACK = 1_000
_OBJECT_BYTES = 32_000_000
_FIRST_ID = 10**16
_MOST_BETWEEN = 2_000


class Input(NamedTuple):
    """A file of events that every contender can read: copies of lines, and nothing broken."""

    events: int
    duplicate: float = 0.02
    span_days: int = 1


class Archived(NamedTuple):
    """The same events in a raw archive as well, as Pub/Sub would have brought them."""

    events: int
    lines: Input = Input(0)


def prepared(wanted: Input | Archived) -> Path:
    """Return the file of an input, generating it first unless it is in the cache.

    The archive of one that is archived is beside it.
    """
    if isinstance(wanted, Archived):
        return _archived(wanted.lines._replace(events=wanted.events))

    def build(folder: Path) -> None:
        write_lines(_messages(wanted), folder / _LINES)

    return built_once("benchmark", _key(wanted), build) / _LINES


def _archived(lines: Input) -> Path:
    sources = [_ROOT / "schemas" / f"{name}.py" for name in _ARCHIVING]
    key = source_key(f"{lines.events}", [*sources, Path(__file__)], _key(lines))
    file = prepared(lines)

    def build(folder: Path) -> None:
        os.link(file, folder / _LINES)
        for gathered in _gathered(_messages(lines)):
            _write(folder / ARCHIVE, gathered)

    return built_once("benchmark-archive", key, build) / _LINES


def _key(wanted: Input) -> str:
    sources = [_ROOT / "local" / f"{name}.py" for name in _GENERATOR]
    sources += (_ROOT / "schemas" / "contracts").rglob("*.avsc")
    return source_key(f"{wanted.events}", sources, repr(wanted))


def _messages(wanted: Input) -> Iterator[Message]:
    faults = Faults(wanted.duplicate, 0, 0.1, 0, 0, 0, 0, 0)
    span = wanted.span_days * DAY
    plan = Plan(wanted.events, seed=_SEED, span=span, faults=faults, same_bytes=True)
    return generate(plan, load_contracts(None))


def _gathered(messages: Iterator[Message]) -> Iterator[Gathered]:
    """Gather messages by hour of publishing; ids are numbers that grow, as those of Pub/Sub."""
    chance, last = Chance(_SEED), _FIRST_ID
    buffer = HourBuffer(1, _OBJECT_BYTES, 8 * _OBJECT_BYTES)
    while part := list(itertools.islice(messages, _PACK)):
        ids = []
        for _ in part:
            last += 1 + chance.below(_MOST_BETWEEN)
            ids.append(str(last))
        payloads, times = [it.payload for it in part], [it.publish_time for it in part]
        yield from buffer.add(RawPack(payloads, list(times), ids), times[0])
    yield from buffer.drain()


def _write(archive: Path, gathered: Gathered) -> None:
    pack = in_order(gathered.pack)
    content = to_avro(pack, "zstd")
    entry = ManifestEntry.of(pack, content, "zstd")
    folder = f"{archive}/{EVENTS}/{hour_folder(SOURCE, gathered.key[0])}"
    create_object(f"{folder}/{entry.object_name}", content)
    create_object(f"{folder}/{entry.name}", entry.to_json())
