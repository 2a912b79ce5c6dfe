"""The streaming steps of the suite on bundles of a chosen size, without an engine: bytes and work.

An engine decides how many events come in a bundle, and with it how many share a pack; a cluster
decides otherwise than a laptop. Here the size is given, each pack is a bundle of its own (nothing
is merged that a cluster might not merge), and what would cross a shuffle, go into state or to a
sink is encoded with the pipeline's own coders and counted.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import apache_beam as beam
from apache_beam.coders import WindowedValueCoder, registry
from apache_beam.coders.coders import GlobalWindowCoder, IntervalWindowCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas.cells import RowChange
from schemas.changes import ChangePack
from schemas.contract import load_contracts
from schemas.feature_set import load_features
from schemas.metric import EVENTS
from schemas.metric_set import load_metrics
from schemas.packs import EventPack, RawPack
from schemas.times import DAY
from schemas.window_parts import PartPack
from transforms.decode import DecodePacks
from transforms.deduplicate import DeduplicatePacks
from transforms.extract_changes import ExtractChanges
from transforms.extract_parts import ExtractParts
from transforms.fold_entities import FoldEntities
from transforms.mutation_batch import encode_row

__all__ = ["SHARDS", "Streamed", "encoded_bytes"]

SHARDS = 16
_HORIZON = DAY / 1e6
_MOST_BYTES = 1_000_000
_GLOBAL = GlobalWindow()


def encoded_bytes(kind: Any) -> Callable[..., int]:
    """Return what tells the bytes of a (value, window) of a type as it crosses a shuffle."""
    coder = registry.get_coder(kind)
    everywhere = WindowedValueCoder(coder, GlobalWindowCoder())
    fixed = WindowedValueCoder(coder, IntervalWindowCoder())

    def size(value: Any, window: Any = _GLOBAL) -> int:
        chosen = everywhere if window is _GLOBAL else fixed
        return len(chosen.encode(WindowedValue(value, Timestamp(0), (window,))))

    return size


@dataclass
class _State:
    """Bag, value and timer of one key, which count what is written."""

    tally: Counter[str]
    kept: list[bytes] = field(default_factory=list)

    def read(self) -> Any:
        return list(self.kept)

    def add(self, value: bytes) -> None:
        self.tally["state"] += len(value)
        self.kept.append(value)

    def clear(self) -> None:
        self.kept.clear()

    def set(self, _time: Any) -> None:
        """Take a timer: none is fired, since the whole input lies within the horizon."""


class _Value(_State):
    def read(self) -> Any:
        return self.kept[0] if self.kept else None

    def write(self, value: bytes) -> None:
        self.clear()
        self.add(value)


_Saved: TypeAlias = dict[int, list[_State]]
"""By shard: its head, its log."""


class Streamed:
    """Runs messages through dedupe, features and metrics; `tally` has the sums, `busy` the seconds.

    Tally: `ids_shuffle`, `ids_packs`, `ids_state`, `changes_shuffle`, `changes_packs`,
    `changes_state`, `rows`, `row_bytes`, `mutations`, `parts_shuffle`, `parts_packs`; all sums of
    bytes or numbers over what was run. Busy: processor seconds of the stages that keep state:
    `ids` (dedupe, and the features of what is unique), `changes`, and `parts`, what metrics add to
    `ids`.

    Args:
        key: where a key of pseudonyms is.
    """

    def __init__(self, key: str) -> None:
        contracts = load_contracts(None)
        features = load_features(None, contracts)
        metrics = [each for each in load_metrics(None, contracts) if each.source == EVENTS]
        decode = DecodePacks(contracts, DAY, _MOST_BYTES, None, SHARDS)
        changes = ExtractChanges(contracts, features, key, _HORIZON, SHARDS)
        parts = ExtractParts(contracts, metrics, key, SHARDS)
        self._decode = _dofn(decode, RawPack, "DecodePacks")
        self._find = _dofn(
            DeduplicatePacks(_HORIZON, SHARDS, "stream"), tuple[int, EventPack], "FindCopies"
        )
        self._changes = _dofn(changes, EventPack, "CollectChanges")
        self._parts = _dofn(parts, EventPack, "CollectParts")
        self._fold = _dofn(
            FoldEntities(features, _HORIZON, mode="stream"), tuple[int, ChangePack], "FoldChanges"
        )
        self._sizes = {
            kind: encoded_bytes(tuple[int, kind]) for kind in (EventPack, ChangePack, PartPack)
        }
        self.tally: Counter[str] = Counter()
        self.busy: Counter[str] = Counter()
        self._ids: _Saved = {}
        self._rows: _Saved = {}

    def run(self, messages: RawPack, moment: int) -> None:
        """Take one bundle of messages, which came at a time in microseconds."""
        at = Timestamp(micros=moment)
        self._decode.start_bundle()
        decoded = [*self._decode.process(messages, at), *self._decode.finish_bundle()]
        for shard, pack in (each.value for each in decoded):
            self._count("ids", (shard, pack))
            for unique in self._stateful("ids", self._find, self._ids, (shard, pack), at):
                for change in self._collected(self._changes, unique, at):
                    self._count("changes", change)
                    for row in self._stateful("changes", self._fold, self._rows, change, at):
                        self._count_row(row)
                for part in self._collected(self._parts, unique, at):
                    self._count("parts", part)

    def state_bytes(self) -> dict[str, int]:
        """Return what lies in state at the end: `ids` and `changes`."""
        return {"ids": _held(self._ids), "changes": _held(self._rows)}

    def logs(self, name: str) -> Iterator[bytes]:
        """Yield the entries of all logs of `ids` or `changes`."""
        for _, log in (self._ids if name == "ids" else self._rows).values():
            yield from log.kept

    def _stateful(
        self, name: str, dofn: Any, saved: _Saved, element: tuple[int, Any], at: Any
    ) -> list[Any]:
        if element[0] not in saved:
            tally: Counter[str] = Counter()
            saved[element[0]] = [_Value(tally), _State(tally)]
        value, log = saved[element[0]]
        before = value.tally["state"]
        states = (log, value) if name == "changes" else (value, log)
        begun = time.process_time()
        dofn.start_bundle()
        found = list(dofn.process(element, at, *states, _State(Counter())))
        self.busy[name] += time.process_time() - begun
        self.tally[f"{name}_state"] += value.tally["state"] - before
        return [each for each in found if not isinstance(each, TaggedOutput)]

    def _collected(self, dofn: Any, pack: EventPack, at: Timestamp) -> list[tuple[int, Any]]:
        """Run what is fused with dedupe, and so works on the same key."""
        begun = time.process_time()
        dofn.start_bundle()
        for _ in dofn.process(pack, at):
            self.tally["late"] += 1
        found = [each.value for each in dofn.finish_bundle()]
        self.busy["ids" if dofn is self._changes else "parts"] += time.process_time() - begun
        return found

    def _count(self, name: str, element: tuple[int, Any]) -> None:
        self.tally[f"{name}_shuffle"] += self._sizes[type(element[1])](element)
        self.tally[f"{name}_packs"] += 1

    def _count_row(self, row: RowChange) -> None:
        encoded = encode_row(row)
        self.tally["rows"] += 1
        self.tally["row_bytes"] += len(encoded.entry)
        self.tally["mutations"] += encoded.mutations


def _held(saved: _Saved) -> int:
    return sum(len(value) for states in saved.values() for state in states for value in state.kept)


def _dofn(transform: Any, kind: Any, label: str) -> Any:
    """Return the set-up function of a transform's step: found in the graph, not by its class."""
    pipeline = beam.Pipeline("FnApiRunner")
    given = pipeline | beam.Create([], reshuffle=False).with_output_types(kind)
    _ = given | transform
    found = next(_steps(pipeline._root_transform(), label))
    dofn = found.fn
    dofn.setup()
    return dofn


def _steps(part: Any, label: str) -> Iterator[beam.ParDo]:
    for each in part.parts:
        if f"/{label}" in each.full_label and isinstance(each.transform, beam.ParDo):
            yield each.transform
        yield from _steps(each, label)
