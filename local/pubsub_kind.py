"""The two Pub/Sub emulators and what each of them can do."""

import os
from collections.abc import Collection, Mapping
from enum import Enum

from local.errors import ServiceError

__all__ = ["Capability", "PubsubKind", "chosen_kind"]

_VARIABLE = "PENSTOCK_PUBSUB_EMULATOR"


class Capability(Enum):
    """What a Pub/Sub emulator may or may not do; both publish, pull, stream and redeliver."""

    FILTER = "filter"
    ORDERING = "ordering"
    DEAD_LETTER = "dead letter"
    DEAD_LETTER_ATTRIBUTES = "dead letter attributes"
    SEEK = "seek"
    SNAPSHOT = "snapshot"
    SCHEMA = "schema"
    PROMPT_EMPTY_PULL = "prompt empty pull"


class PubsubKind(Enum):
    """A Pub/Sub emulator: Go's is quick, Java's is the official one."""

    GO = "go"
    JAVA = "java"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this emulator can do."""
        return _CAPABILITIES[self]


_BOTH = frozenset({Capability.ORDERING, Capability.DEAD_LETTER})
_CAPABILITIES = {
    PubsubKind.GO: _BOTH | {Capability.FILTER, Capability.PROMPT_EMPTY_PULL},
    PubsubKind.JAVA: _BOTH
    | {
        Capability.DEAD_LETTER_ATTRIBUTES,
        Capability.SEEK,
        Capability.SNAPSHOT,
        Capability.SCHEMA,
    },
}


def chosen_kind(
    needs: Collection[Capability] = (), environ: Mapping[str, str] = os.environ
) -> PubsubKind:
    """Return the emulator that can do all that is needed; of several the one the user named.

    >>> chosen_kind({Capability.SEEK}, {})
    <PubsubKind.JAVA: 'java'>

    Raises:
        ServiceError: none can, or PENSTOCK_PUBSUB_EMULATOR names none.
    """
    given = environ.get(_VARIABLE) or PubsubKind.GO.value
    if given not in [kind.value for kind in PubsubKind]:
        msg = f"{_VARIABLE}={given}: no such emulator; write go or java"
        raise ServiceError(msg)
    able = [kind for kind in PubsubKind if kind.capabilities.issuperset(needs)]
    if not able:
        names = ", ".join(sorted(need.value for need in needs))
        msg = f"no Pub/Sub emulator can do all of: {names}; ask for less at once"
        raise ServiceError(msg)
    return PubsubKind(given) if PubsubKind(given) in able else able[0]
