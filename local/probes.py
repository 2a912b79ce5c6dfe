"""Asks a local service something in its own protocol: it is up once it answers."""

import http.client
from collections.abc import Callable

import grpc

from local.addresses import split_address

__all__ = [
    "answers_bigquery",
    "answers_bigtable",
    "answers_expansion",
    "answers_pubsub",
    "answers_storage",
]

Probe = Callable[[str], bool]

_TIMEOUT_SECONDS = 2.0
_PROJECT = b"projects/probe"


def answers_bigtable(address: str) -> bool:
    """Say whether the address lists Bigtable tables."""
    method = "/google.bigtable.admin.v2.BigtableTableAdmin/ListTables"
    return _answers_grpc(address, method, _PROJECT + b"/instances/probe")


def answers_pubsub(address: str) -> bool:
    """Say whether the address lists Pub/Sub topics."""
    return _answers_grpc(address, "/google.pubsub.v1.Publisher/ListTopics", _PROJECT)


def answers_expansion(address: str) -> bool:
    """Say whether the address speaks gRPC; what it expands it would look up for seconds."""
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(_TIMEOUT_SECONDS)
        except grpc.FutureTimeoutError:
            return False
        return True


def answers_storage(address: str) -> bool:
    """Say whether the address lists Cloud Storage buckets."""
    return _answers_http(address, "/storage/v1/b?project=probe")


def answers_bigquery(address: str) -> bool:
    """Say whether the address lists BigQuery datasets."""
    return _answers_http(address, "/bigquery/v2/projects/probe/datasets")


def _answers_http(address: str, path: str) -> bool:
    connection = http.client.HTTPConnection(*split_address(address), timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _answers_grpc(address: str, method: str, parent: bytes) -> bool:
    # Both requests hold one string in field 1, so no generated class is needed, whose import takes
    # longer than the service takes to start.
    request = b"\x0a" + bytes([len(parent)]) + parent
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(method, lambda data: data, lambda data: data)
        try:
            ask(request, timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError:
            return False
        return True
