"""What the flows in bytewax share: how events are read, and the versions that are told."""

from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import bytewax.operators as op
import msgspec
from bytewax.connectors.files import FileSource
from bytewax.dataflow import Dataflow
from bytewax.operators import Stream

__all__ = ["Event", "events", "tools", "unique"]

_LINES = 1_000


class Event(msgspec.Struct, gc=False):
    """The fields that a count needs."""

    event_id: str
    event_type: str
    event_timestamp: Annotated[datetime, msgspec.Meta(tz=True)]


def tools(path: str) -> dict[str, str]:
    """Nothing has to be started."""
    return {"bytewax": version("bytewax")}


def events(flow: Dataflow, path: str) -> Stream[Event]:
    """Read the lines of a file, decoded batch by batch."""
    decode = msgspec.json.Decoder(Event).decode
    lines = op.input("read", flow, FileSource(Path(path), batch_size=_LINES))
    return op.flat_map_batch("decode", lines, lambda batch: [decode(line) for line in batch])


def unique(stream: Stream[Event]) -> Stream[Event]:
    """Let the first event of each id pass: state by id, as the guide keeps state."""
    keyed = op.key_on("by_id", stream, lambda event: event.event_id)
    return op.key_rm("drop_id", op.stateful_flat_map("dedupe", keyed, _first))


def _first(seen: bool | None, event: Event) -> tuple[bool, list[Event]]:
    return True, [] if seen else [event]
