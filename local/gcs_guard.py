"""The Cloud Storage emulator with write-once honoured: what production refuses, it refuses.

Usage: `python gcs_guard.py DATA_FOLDER HOST PORT` in the environment of `gcp-storage-emulator`.
Added to the stock emulator: generation preconditions on every verb, also at the end of a resumable
upload, decided and acted on as one step; connections that stay open; no rewriting of the whole
object index on each upload. Conditions inside batch requests are not checked. Objects are plain
files below `DATA_FOLDER/.cloudstorage/BUCKET/`, so of `a` and `a/b` a bucket holds only one; the
other is refused as a bad request.
"""

import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus, server
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gcp_storage_emulator import server as stock
from gcp_storage_emulator.handlers import objects
from gcp_storage_emulator.storage import Storage

__all__ = ["guarded", "violated"]

Query = Mapping[str, list[str]]
Handler = Callable[..., None]

_ONE_AT_A_TIME = threading.RLock()
_CONDITIONS_OF_UPLOADS: dict[str, tuple[str, str, Query]] = {}
_MESSAGE = "At least one of the pre-conditions you specified did not hold."
_REFUSAL = {"domain": "global", "reason": "conditionNotMet", "message": _MESSAGE}


def violated(resource: Mapping[str, Any] | None, query: Query, prefix: str = "if") -> bool:
    """Say whether the query's conditions fail for an object; None is one that does not exist.

    >>> violated(None, {"ifGenerationMatch": ["0"]}), violated(None, {"ifGenerationMatch": ["7"]})
    (False, True)
    """
    generation = int(resource["generation"]) if resource else 0
    metageneration = int(resource.get("metageneration", 1)) if resource else 0
    for name, actual in (("Generation", generation), ("Metageneration", metageneration)):
        wanted = query.get(f"{prefix}{name}Match")
        unwanted = query.get(f"{prefix}{name}NotMatch")
        if (wanted and int(wanted[0]) != actual) or (unwanted and int(unwanted[0]) == actual):
            return True
    return False


def guarded(handler: Handler) -> Handler:
    """Return the handler behind its request's conditions; the check and the act are one step."""

    def act(request: Any, response: Any, storage: Any, *rest: Any, **named: Any) -> None:
        # The body is read before the lock is taken: a slow client must not hold up the others, and
        # bytes left unread would be taken for the next request of the connection.
        _ = request.data
        with _ONE_AT_A_TIME:
            if _refused(request, storage):
                response.status = HTTPStatus.PRECONDITION_FAILED
                response.json({"error": {"code": 412, "message": _MESSAGE, "errors": [_REFUSAL]}})
                return
            try:
                handler(request, response, storage, *rest, **named)
            except (OSError, ValueError) as error:
                # A dropped connection or a 500 would be tried again for minutes by the clients.
                response.status = HTTPStatus.BAD_REQUEST
                response.json({"error": {"code": 400, "message": f"emulator: {error}"}})
                return
            _remember_upload(request, response)

    return act


def _refused(request: Any, storage: Any) -> bool:
    upload = _CONDITIONS_OF_UPLOADS.get(request.query.get("upload_id", [""])[0])
    if upload:
        bucket, name, query = upload
        return violated(_resource(storage, bucket, name), query)
    params, query = request.params, request.query
    if "dest_object_id" in params:
        source = _resource(storage, params["bucket_name"], params["object_id"])
        target = _resource(storage, params["dest_bucket_name"], params["dest_object_id"])
        return violated(source, query, "ifSource") or violated(target, query)
    if "bucket_name" not in params:
        return False
    return violated(_resource(storage, params["bucket_name"], _object_name(request)), query)


def _object_name(request: Any) -> str:
    """Return the name that the path, the query or, for an upload, the metadata gives."""
    named = request.params.get("object_id") or request.query.get("name", [""])[0]
    if named or not isinstance(request.data, dict):
        return str(named)
    return str(request.data.get("meta", request.data).get("name", ""))


def _resource(storage: Any, bucket: str, name: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = storage.objects.get(bucket, {}).get(name)
    return found


def _remember_upload(request: Any, response: Any) -> None:
    """Keep the conditions of a resumable upload, which are decided when its last byte has come."""
    if request.query.get("uploadType") != ["resumable"]:
        return
    if "upload_id" in request.query:
        if response.status == HTTPStatus.OK:
            _CONDITIONS_OF_UPLOADS.pop(request.query["upload_id"][0], None)
        return
    if response.status == HTTPStatus.OK:
        upload = parse_qs(urlsplit(response["Location"]).query)["upload_id"][0]
        target = (request.params["bucket_name"], _object_name(request), request.query)
        _CONDITIONS_OF_UPLOADS[upload] = target


class _EphemeralStorage(Storage):
    """Objects as files; the index lives in memory, as nobody starts again from the same folder."""

    def _write_config_to_file(self) -> None:
        return


class _PersistentConnections(stock.RequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for head and body

    def send_response(self, code: int, message: str | None = None) -> None:
        super().send_response(code, message)
        if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # Such an answer may have been given before the request's body was read.
            self.send_header("Connection", "close")


class _Server(server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def _guard_all() -> None:
    stock.HANDLERS = tuple(
        (path, {method: guarded(handler) for method, handler in verbs.items()})
        for path, verbs in stock.HANDLERS
    )
    # The router reaches for this one by name when a client leaves out the upload prefix.
    objects.insert = guarded(objects.insert)


def _serve(data: str, host: str, port: int) -> None:
    _guard_all()
    address = (host, port)
    with _Server(
        address, partial(_PersistentConnections, _EphemeralStorage(data_dir=data))
    ) as http:
        print(f"cloud storage on {host}:{port}", flush=True)
        http.serve_forever()


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
