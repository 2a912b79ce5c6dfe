"""Whole objects in a local folder or in Cloud Storage: created once, replaced, listed and read.

`STORAGE_EMULATOR_HOST` counts, and needs no credentials.
"""

import functools
import os
import pathlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from google.api_core.exceptions import GoogleAPIError, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

__all__ = ["ObjectStoreError", "check_path", "create_object", "read_objects", "replace_object"]

_Result = TypeVar("_Result")

_GS = "gs://"
_RETRY = DEFAULT_RETRY.with_timeout(60.0)


class ObjectStoreError(RuntimeError):
    """An object cannot be written or read; the text is one line that names it and the cause."""


def check_path(path: str) -> str:
    """Return the path of a folder without its last slash.

    Raises:
        ValueError: neither a local path nor gs://BUCKET/...
    """
    scheme, separator, rest = path.partition("://")
    if not path or (separator and (scheme != "gs" or not rest.strip("/"))):
        msg = f"path {path!r}: write a local folder or gs://BUCKET/FOLDER"
        raise ValueError(msg)
    return path.rstrip("/") or "/"


def create_object(path: str, data: bytes) -> bool:
    """Write an object that must not exist yet; return False where it did, and leave it as it is.

    Raises:
        ObjectStoreError: it cannot be written; transient errors were tried again before.
    """
    if path.startswith(_GS):
        return _guarded(path, functools.partial(_upload, path, data, if_generation_match=0))
    if os.path.exists(path):
        return False
    return _guarded(path, functools.partial(_put, path, data))


def replace_object(path: str, data: bytes) -> None:
    """Write an object, whether there was one or not; a reader sees the old or the new one."""
    _guarded(path, functools.partial(_upload if path.startswith(_GS) else _put, path, data))


def read_objects(path: str, suffix: str) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the objects below a folder with this suffix, by name.

    The path of a single object yields that one.
    """
    if path.startswith(_GS):
        for blob in _guarded(path, functools.partial(_listed, path, suffix)):
            yield f"gs://{blob.bucket.name}/{blob.name}", _guarded(path, blob.download_as_bytes)
        return
    root = pathlib.Path(path)
    for file in [root] if root.is_file() else sorted(root.rglob(f"*{suffix}")):
        yield str(file), file.read_bytes()


def _guarded(path: str, action: Callable[[], _Result]) -> _Result:
    try:
        return action()
    except (OSError, GoogleAPIError, GoogleAuthError) as error:
        msg = f"{path}: {' '.join(str(error).split())}; check that the place exists and is writable"
        raise ObjectStoreError(msg) from None


def _put(path: str, data: bytes) -> bool:
    """Write beside the place and move, so that half an object is never seen."""
    folder, name = os.path.split(path)
    os.makedirs(folder or ".", exist_ok=True)
    beside = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.part")
    pathlib.Path(beside).write_bytes(data)
    os.replace(beside, path)
    return True


def _upload(path: str, data: bytes, if_generation_match: int | None = None) -> bool:
    bucket, _, name = path.removeprefix(_GS).partition("/")
    blob = _client(os.environ.get("STORAGE_EMULATOR_HOST")).bucket(bucket).blob(name)
    try:
        blob.upload_from_string(
            data,
            content_type="application/octet-stream",
            if_generation_match=if_generation_match,
            retry=_RETRY,
        )
    except PreconditionFailed:
        return False
    return True


def _listed(path: str, suffix: str) -> list[Any]:
    bucket, _, prefix = path.removeprefix(_GS).partition("/")
    return [
        blob
        for blob in _client(os.environ.get("STORAGE_EMULATOR_HOST")).list_blobs(
            bucket, prefix=prefix
        )
        if blob.name == prefix or (_below(blob.name, prefix) and blob.name.endswith(suffix))
    ]


def _below(name: str, folder: str) -> bool:
    return not folder or name.startswith(folder.rstrip("/") + "/")


@functools.cache
def _client(emulator: str | None) -> Any:
    """Return the process's client, one for each emulator address."""
    if emulator:
        return storage.Client(project="local", credentials=AnonymousCredentials())
    # Objects need no project, and not everybody's credentials name one.
    return storage.Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT"))
