"""The wire to one Bigtable table: the client's channel and, on it, the raw MutateRows call.

The channel is the official data client's, with its credentials, its refresh within the hour and
`BIGTABLE_EMULATOR_HOST`. The call is made on it directly: requests are bytes already, and the
client's own bulk operation takes several times longer to build them.
"""

import base64
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from google.cloud.bigtable_v2.types import bigtable, feature_flags

from schemas.bigtable_table import TableName
from transforms.mutation_batch import request_head
from transforms.write_rate import WriteRate

__all__ = ["Connection"]

_METHOD = "/google.bigtable.v2.Bigtable/MutateRows"
_PARSE = bigtable.MutateRowsResponse.pb().FromString
_LOCK = threading.Lock()
_CLIENTS: dict[tuple[str, str | None], tuple[Any, int]] = {}
"""Clients of this process and the number of their users, by project and emulator."""


class Connection:
    """An open way to write to one table; the client behind it is shared within the process."""

    def __init__(
        self, table: TableName, app_profile: str | None = None, flow_control: bool = False
    ) -> None:
        self._head = request_head(str(table), app_profile or "")
        self._metadata = _metadata(table, app_profile or "", flow_control)
        self._rate = WriteRate()
        self._key = (table.project, os.environ.get("BIGTABLE_EMULATOR_HOST"))
        self._client = _acquire(self._key)

    def send(self, entries: Iterable[bytes], timeout: float) -> Iterator[tuple[int, int]]:
        """Send encoded entries; yield (position, status) as the answers come.

        Raises:
            grpc.RpcError: the request or its stream of answers failed.
        """
        self._rate.acquire()
        # Asked of the channel each time: the client swaps what is behind it while it runs.
        call = self._client.transport.grpc_channel.unary_stream(
            _METHOD, request_serializer=None, response_deserializer=_PARSE
        )
        request = self._head + b"".join(entries)
        for response in call(request, timeout=timeout, metadata=self._metadata):
            if response.HasField("rate_limit_info"):
                limit = response.rate_limit_info
                self._rate.adjust(limit.factor, limit.period.ToTimedelta().total_seconds())
            for entry in response.entries:
                yield entry.index, entry.status.code

    def close(self) -> None:
        """Give the client back; the last user in the process closes it."""
        _release(self._key)


def _metadata(table: TableName, app_profile: str, flow_control: bool) -> list[tuple[str, str]]:
    """Return the routing header and, for flow control, the features that the client declares."""
    routing = f"table_name={quote(str(table), safe='')}&app_profile_id={quote(app_profile)}"
    metadata = [("x-goog-request-params", routing)]
    if flow_control:
        flags = feature_flags.FeatureFlags.pb()(
            mutate_rows_rate_limit=True, mutate_rows_rate_limit2=True
        )
        encoded = base64.urlsafe_b64encode(flags.SerializeToString())
        metadata.append(("bigtable-features", encoded.decode()))
    return metadata


def _acquire(key: tuple[str, str | None]) -> Any:
    with _LOCK:
        client, users = _CLIENTS.get(key) or (_opened(key[0]), 0)
        _CLIENTS[key] = (client, users + 1)
        return client


def _opened(project: str) -> Any:
    # Most of a second, which the jobs that write no table need not wait for.
    from google.cloud.bigtable.data import BigtableDataClient  # noqa: PLC0415

    with warnings.catch_warnings():
        # Whoever set the emulator's address knows of it.
        warnings.filterwarnings("ignore", "Connecting to Bigtable emulator")
        return BigtableDataClient(project=project)


def _release(key: tuple[str, str | None]) -> None:
    with _LOCK:
        client, users = _CLIENTS.pop(key)
        if users > 1:
            _CLIENTS[key] = (client, users - 1)
            return
    client.close()
