"""Replay as the jobs do it: each event is decoded and checked by its contract, and then counted."""

from collections.abc import Callable, Iterator

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection

from benchmarks.bench_replay import SHARDS, counted
from benchmarks.contender import main
from schemas.contract import load_contracts
from schemas.packs import EventPack, RawPack
from transforms.decode import DecodePacks

__all__ = ["run"]


class _Kind(msgspec.Struct, gc=False):
    event_type: str


class _Project(beam.DoFn):
    """Leaves of an event what dedupe needs, and its type: types and times are counted."""

    def setup(self) -> None:
        self._decode = msgspec.json.Decoder(_Kind).decode

    def process(self, element: tuple[int, EventPack]) -> Iterator[tuple[int, EventPack]]:
        shard, pack = element
        kinds = [kind.event_type.encode() for kind in map(self._decode, pack.raw.payloads)]
        yield shard, msgspec.structs.replace(pack, raw=RawPack(kinds))


def run(path: str) -> Callable[[], str]:
    """Count each archived event once, by type and minute."""
    return counted(path, _packed)


def _packed(packs: PCollection[RawPack]) -> PCollection[tuple[int, EventPack]]:
    decode = DecodePacks(load_contracts(None), shards=SHARDS)
    project = beam.ParDo(_Project()).with_output_types(tuple[int, EventPack])
    return (packs | "Decode" >> decode).packs | "Project" >> project


if __name__ == "__main__":
    main(run)
