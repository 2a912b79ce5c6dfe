"""A model of a Bigtable table behind its wire: what is applied, what is answered, what is lost.

Entries of a request are applied in any order, the mutations of one row in theirs and at once. An
answer may be lost after the request was applied, a request may be applied long after its client has
given up, and a family that keeps one version loses the others at any time.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import grpc
from google.cloud.bigtable_v2.types import bigtable

from chaos.kinds import Kind
from chaos.troubles import Troubles
from schemas.bigtable_table import FAMILIES

__all__ = ["CellStore", "WireError"]

_Request = bigtable.MutateRowsRequest.pb()
_Code = grpc.StatusCode
_OPEN_END = 2**63
_Cells = dict[tuple[str, str], dict[int, bytes]]


class WireError(grpc.RpcError):
    """A request that failed as a whole."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__(code)
        self._code = code

    def code(self) -> grpc.StatusCode:
        """Return the status, as errors of the wire do."""
        return self._code


class CellStore:
    """One table: rows as {key: {(family, qualifier): {time: value}}}."""

    def __init__(self, troubles: Troubles) -> None:
        self.rows: dict[bytes, _Cells] = {}
        self._troubles = troubles
        self._delayed: list[Any] = []

    def send(self, entries: Iterable[bytes], timeout: float) -> Iterator[tuple[int, int]]:
        """Stand where `Connection.send` does."""
        troubles, chance = self._troubles, self._troubles.random
        request = _Request.FromString(b"".join(entries))
        troubles.clock.sleep(0.01)
        if self._delayed and chance.random() < 0.3:
            self.settle()
        if troubles.is_cut():
            self._apply_some(request.entries, chance.choice((0.0, 0.0, 0.5, 1.0)))
            raise WireError(_Code.UNAVAILABLE)
        if troubles.strikes(Kind.HALF_OPEN_CONNECTION):
            self._apply_some(request.entries, chance.choice((0.0, 0.5)))
            troubles.clock.sleep(timeout)
            raise WireError(_Code.DEADLINE_EXCEEDED)
        if troubles.strikes(Kind.SLOW_CONNECTION):
            if chance.random() < 0.5:
                self._delayed += request.entries
            else:
                self._apply_some(request.entries, 1.0)
            troubles.clock.sleep(timeout)
            raise WireError(_Code.DEADLINE_EXCEEDED)
        yield from self._answers(request.entries)

    def close(self) -> None:
        """Stand where `Connection.close` does."""

    def settle(self) -> None:
        """Apply what was on its way, and keep the versions that families keep."""
        delayed, self._delayed = self._delayed, []
        self._apply_some(delayed, 1.0)
        self._collect_garbage()

    def _answers(self, entries: Any) -> Iterator[tuple[int, int]]:
        chance = self._troubles.random
        share = 1.0
        if self._troubles.strikes(Kind.BURST_429):
            share = chance.choice((0.0, 0.3, 0.8))
            if share == 0.0:
                raise WireError(_Code.RESOURCE_EXHAUSTED)
        places = list(range(len(entries)))
        chance.shuffle(places)
        for place in places:
            code = _Code.OK
            if share == 1.0 or chance.random() < share:
                self._apply(entries[place])
            else:
                code = chance.choice((_Code.RESOURCE_EXHAUSTED, _Code.UNAVAILABLE, _Code.ABORTED))
            yield place, code.value[0]

    def _apply_some(self, entries: Any, share: float) -> None:
        for entry in entries:
            if self._troubles.random.random() < share:
                self._apply(entry)

    def _apply(self, entry: Any) -> None:
        row = self.rows.setdefault(bytes(entry.row_key), {})
        for mutation in entry.mutations:
            if mutation.HasField("set_cell"):
                put = mutation.set_cell
                place = put.family_name, put.column_qualifier.decode()
                row.setdefault(place, {})[put.timestamp_micros] = put.value
            else:
                gone = mutation.delete_from_column
                span = gone.time_range
                end = span.end_timestamp_micros or _OPEN_END
                cells = row.get((gone.family_name, gone.column_qualifier.decode()), {})
                for time in [time for time in cells if span.start_timestamp_micros <= time < end]:
                    del cells[time]

    def _collect_garbage(self) -> None:
        single = {family.name for family in FAMILIES if family.max_versions == 1}
        for row in self.rows.values():
            for (family, _), cells in row.items():
                if family in single and cells:
                    newest = max(cells)
                    cells_kept = {newest: cells[newest]}
                    cells.clear()
                    cells.update(cells_kept)
