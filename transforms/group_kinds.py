"""Groups elements of several kinds by key, without holding a group in memory."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection
from apache_beam.typehints.decorators import no_annotations

__all__ = ["GroupKinds", "of_kind"]


@dataclass
class GroupKinds(beam.PTransform[tuple[PCollection[Any], ...], PCollection[Any]]):
    """PCollection[(key, value)] of several kinds -> PCollection[(key, values of all of them)].

    The values of a group are encoded, each with its kind, and are gone through as often as needed
    by `of_kind`. Beam's own `CoGroupByKey` pickles values and holds all of a group in memory.
    Bounded; windows as in `GroupByKey`.

    Args:
        key: the type of the keys.
        kinds: the types of the values, in the order of the inputs; any that msgspec encodes.
    """

    key: type
    kinds: tuple[type, ...]

    @no_annotations
    def expand(self, keyed: tuple[PCollection[Any], ...]) -> PCollection[Any]:
        """Encode, flatten, group."""
        pair = beam.typehints.Tuple[self.key, bytes]
        encoded = [
            each | f"Encode{kind.__name__}{n}" >> beam.Map(_encoded, n).with_output_types(pair)
            for n, (each, kind) in enumerate(zip(keyed, self.kinds, strict=True))
        ]
        return encoded | "FlattenKinds" >> beam.Flatten() | "GroupByKey" >> beam.GroupByKey()


def of_kind(values: Iterable[bytes], number: int, kind: Any) -> Iterator[Any]:
    """Yield the values of one kind of a group, in no order.

    Args:
        values: of a group.
        number: of the kind among the inputs, from 0.
        kind: its type.
    """
    decode = _decoder(kind).decode
    return (decode(value[1:]) for value in values if value[0] == number)


@functools.cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


_encode = msgspec.msgpack.Encoder().encode


def _encoded(element: tuple[Any, Any], number: int) -> tuple[Any, bytes]:
    return element[0], bytes((number,)) + _encode(element[1])
