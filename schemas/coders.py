"""Beam coders of the suite's structs: one MessagePack value per element, stable over releases."""

from typing import Any

import msgspec
from apache_beam import coders

from schemas.candidates import Candidate, Touch
from schemas.cells import RowChange
from schemas.changes import ChangePack
from schemas.events import Event, RawEvent
from schemas.late import LateEvent
from schemas.packs import EventPack, RawPack
from schemas.parcels import Parcel
from schemas.rejected import Rejected
from schemas.repairs import RepairedTile
from schemas.row_packs import RowPack
from schemas.window_parts import Pane, PartPack

__all__ = ["StructCoder", "register"]


class StructCoder(coders.Coder):
    """Encodes a `msgspec.Struct` by its fields in order; a field may only be added at the end."""

    def __init__(self, struct: type[Any]) -> None:
        self._struct = struct
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(struct)
        self._estimate = getattr(struct, "estimated_bytes", None)

    def encode(self, value: Any) -> bytes:
        """Encode one struct."""
        return self._encoder.encode(value)

    def decode(self, encoded: bytes) -> Any:
        """Decode one struct; a `msgspec.DecodeError` means bytes of another type."""
        return self._decoder.decode(encoded)

    def estimate_size(self, value: Any) -> int:
        """Tell about how large an encoded struct is: the engine asks it of each pack it hands on.

        Only for its metrics, so a pack is measured by what it says instead of being encoded again.
        """
        return int(self._estimate(value)) if self._estimate else len(self.encode(value))

    def is_deterministic(self) -> bool:
        """Equal structs have equal bytes as long as their maps were filled in the same order."""
        return False

    def to_type_hint(self) -> type[Any]:
        """Return the struct's class."""
        return self._struct

    @classmethod
    def from_type_hint(cls, typehint: type[Any], registry: Any) -> "StructCoder":
        """Return the coder of a registered struct."""
        return cls(typehint)

    def __reduce__(self) -> tuple[type["StructCoder"], tuple[type[Any]]]:
        return StructCoder, (self._struct,)

    def __repr__(self) -> str:
        return f"StructCoder({self._struct.__name__})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StructCoder) and self._struct is other._struct

    def __hash__(self) -> int:
        return hash((StructCoder, self._struct))


def register(*structs: type[Any]) -> None:
    """Let Beam encode these structs by `StructCoder` instead of pickling them."""
    for struct in structs:
        coders.registry.register_coder(struct, StructCoder)


register(RawEvent, Event, RawPack, EventPack, Rejected, RowChange, ChangePack, LateEvent, Parcel)
register(Candidate, Touch, RepairedTile)
register(RowPack, PartPack, Pane)
