"""Inputs of one length whose events belong to a chosen number of users, kept in the cache."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.inputs import Input, prepared
from local.cache import built_once, source_key

__all__ = ["of_users", "spread"]

_FIELD = b'"user_id":"'
_LINES = "events.ndjson"


class _Id(msgspec.Struct, gc=False):
    event_id: str


def of_users(wanted: Input, users: int) -> Path:
    """Return the file of an input whose users are replaced by so many others, in turns."""
    given = prepared(wanted)
    # The folder of an input is named by what it was made from.
    key = source_key(f"{wanted.events}-{users}", [Path(__file__)], given.parent.name)

    def build(folder: Path) -> None:
        with given.open("rb") as lines, (folder / _LINES).open("wb") as file:
            file.writelines(spread(lines, users))

    return built_once("benchmark-users", key, build) / _LINES


def spread(lines: Iterator[bytes], users: int) -> Iterator[bytes]:
    r"""Give each event the next of so many users; a copy has that of its event.

    An event without a user stays so.

    >>> first, other = b'{"event_id":"a","user_id":"x"}\n', b'{"event_id":"b","user_id":"x"}\n'
    >>> [line[-12:-3].decode() for line in spread(iter([first, other, first]), 2)]
    ['u00000000', 'u00000001', 'u00000000']
    """
    decode = msgspec.json.Decoder(_Id).decode
    order: dict[str, int] = {}
    for line in lines:
        before, field, rest = line.partition(_FIELD)
        if not field:
            yield line
            continue
        user = order.setdefault(decode(line).event_id, len(order)) % users
        yield b'%b%bu%08d"%b' % (before, field, user, rest.partition(b'"')[2])
