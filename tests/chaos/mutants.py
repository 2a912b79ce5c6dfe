"""Defects to be put into the suite, one at a time: the checks of chaos must find each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any
from unittest import mock

from chaos.engine import Engine
from schemas.tiles import TileForm
from transforms import fold_entities, fold_windows, write_archive, write_objects
from transforms.fence import Fence
from transforms.mutate_rows import BulkMutation
from transforms.object_store import ObjectStoreError, replace_object
from transforms.seen_ids import SeenIds

__all__ = ["MUTANTS", "Mutant"]

Mutant = Callable[[], Any]


def _replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Mutant:
    """Return a context in which a function is what `make` makes of it."""

    @contextmanager
    def context() -> Iterator[None]:
        with mock.patch.object(owner, name, make(vars(owner)[name])):
            yield

    return context


def _fence_removed(_take: Any) -> Any:
    def take(self: Any, shard: int, _nonce: Any) -> Any:
        held = self._held.pop(shard, None)
        return held[1] if held else None

    return take


def _acknowledged_first(feed: Any) -> Any:
    def acknowledged(self: Any, *given: Any) -> bool:
        feed(self, *given)
        return True

    return acknowledged


def _constant_version(cell: Any) -> Any:
    def constant(self: Any, start: int, entry: Any) -> Any:
        made = cell(self, start, entry)
        return type(made)(made.family, made.qualifier, start + 1_000, made.value, start)

    return constant


def _refused_rows_forgotten(answered: Any) -> Any:
    def forgetting(self: Any, work: Any, row: int, code: Any) -> None:
        before = list(work.pending)
        answered(self, work, row, code)
        work.pending[:] = before

    return forgetting


def _no_horizon(_expiry: Any) -> Any:
    return lambda self, slot: -(2**63)


def _failed_write_hidden(create: Any) -> Any:
    def hiding(path: str, data: bytes) -> bool:
        try:
            return bool(create(path, data))
        except ObjectStoreError:
            return True

    return hiding


def _nothing_logged(_append: Any) -> Any:
    return lambda log, known, pack: None


def _written_over(_create: Any) -> Any:
    def over(path: str, data: bytes) -> bool:
        replace_object(path, data)
        return True

    return over


MUTANTS: Mapping[str, Mutant] = MappingProxyType(
    {
        "fence_removed": _replaced(Fence, "take", _fence_removed),
        "acknowledged_before_commit": _replaced(Engine, "feed", _acknowledged_first),
        "version_is_constant": _replaced(TileForm, "cell", _constant_version),
        "retry_forgets_rows": _replaced(BulkMutation, "_answered", _refused_rows_forgotten),
        "dedupe_horizon_zero": _replaced(SeenIds, "_expiry", _no_horizon),
        "failed_object_counts_as_written": _replaced(
            write_archive, "create_object", _failed_write_hidden
        ),
        "create_only_off": _replaced(write_objects, "create_object", _written_over),
        "tiles_are_not_saved": _replaced(fold_entities, "append_log", _nothing_logged),
        "windows_are_not_saved": _replaced(fold_windows, "append_log", _nothing_logged),
    }
)
