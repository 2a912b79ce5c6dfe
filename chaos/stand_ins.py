"""Puts models where the suite would open connections, and a simulated clock where it would wait."""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from chaos.cell_store import CellStore
from chaos.object_models import Objects
from chaos.row_store import RowStore, TableWire
from chaos.troubles import Troubles
from transforms import object_store, stream_rows, write_cells
from transforms.mutate_rows import Patience

__all__ = ["World", "standing_in"]


@dataclass
class World:
    """All that is outside of the jobs of one seed.

    Args:
        troubles: what ails it.
        objects: archive, quarantine and late events.
        rows: BigQuery's tables.
        cells: Bigtable's tables, by their id.
    """

    troubles: Troubles
    objects: Objects
    rows: RowStore
    cells: dict[str, CellStore]

    def cell_table(self, table: str) -> CellStore:
        """Return one table of Bigtable by its id."""
        return self.cells.setdefault(table, CellStore(self.troubles))


@contextmanager
def standing_in(world: World) -> Iterator[None]:
    """Let the suite's steps see this world and no other."""
    clock, chance = world.troubles.clock, world.troubles.random
    patience: Callable[..., Any] = functools.partial(
        Patience, clock=clock.seconds, sleep=clock.sleep, jitter=chance.random
    )
    places: list[tuple[Any, str, Any]] = [
        (write_cells, "Connection", lambda table, *_: world.cell_table(table.table)),
        (write_cells, "Patience", patience),
        (stream_rows, "TableConnection", lambda table: TableWire(world.rows, table)),
        (stream_rows, "Patience", patience),
        (object_store, "folder_objects", world.objects),
    ]
    with ExitStack() as stack:
        for module, name, stand_in in places:
            stack.enter_context(mock.patch.object(module, name, stand_in))
        yield
