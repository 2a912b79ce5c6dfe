"""Whole objects in Cloud Storage: the remote half of `transforms.object_store`.

`STORAGE_EMULATOR_HOST` counts, and needs no credentials.
"""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from google.api_core.exceptions import Forbidden, NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from schemas.times import micros
from transforms.folder_objects import Listed

__all__ = ["create", "delete", "folders", "has_bucket", "listed", "put", "read", "update"]

_GS = "gs://"
_NOT_REPLACED = "storage.objects.delete"
_RETRY = DEFAULT_RETRY.with_timeout(60.0)
_LAUNCH = DEFAULT_RETRY.with_timeout(20.0)


def create(path: str, data: bytes) -> bool:
    """Write an object that must not exist; return False where it did."""
    return _upload(path, data, 0)


def put(path: str, data: bytes) -> None:
    """Write an object, whether there was one or not."""
    _upload(path, data, None)


def read(path: str) -> bytes | None:
    """Return an object's content, None where there is none."""
    try:
        content: bytes = _blob(path).download_as_bytes(retry=_RETRY)
    except NotFound:
        return None
    return content


def delete(path: str) -> bool:
    """Delete an object; return False where there was none."""
    try:
        _blob(path).delete(retry=_RETRY)
    except NotFound:
        return False
    return True


def update(path: str, change: Callable[[bytes | None], bytes | None]) -> bool:
    """Replace an object by what `change` makes of it (None: leave it); another's change counts."""
    while True:
        content, generation = _versioned(path)
        changed = change(content)
        if changed is None:
            return False
        if _upload(path, changed, generation):
            return True


def listed(path: str, suffix: str) -> Iterator[Listed]:
    """Yield the objects below a folder with this suffix, by name; an object's path yields it."""
    bucket, _, prefix = path.removeprefix(_GS).partition("/")
    for blob in _client_here().list_blobs(bucket, prefix=prefix, retry=_RETRY):
        if blob.name == prefix or (_below(blob.name, prefix) and blob.name.endswith(suffix)):
            written = micros(blob.updated) if blob.updated else 0
            yield Listed(f"{_GS}{bucket}/{blob.name}", int(blob.size or 0), written)


def has_bucket(path: str) -> bool:
    """Return whether a bucket is there; who may not list it does not learn that it is not."""
    bucket = path.removeprefix(_GS).partition("/")[0]
    try:
        next(iter(_client_here().list_blobs(bucket, max_results=1, retry=_LAUNCH)), None)
    except NotFound:
        return False
    except Forbidden:
        pass
    return True


def folders(path: str) -> list[str]:
    """Return the names of the folders in a folder, in order; none where it is not there."""
    bucket, _, folder = path.removeprefix(_GS).partition("/")
    prefix = folder.rstrip("/") + "/" if folder else ""
    found = _client_here().list_blobs(bucket, prefix=prefix, delimiter="/", retry=_RETRY)
    # The prefixes of a listing are known when its pages have been read.
    for _ in found:
        pass
    return sorted(name.removeprefix(prefix).rstrip("/") for name in found.prefixes)


def _versioned(path: str) -> tuple[bytes | None, int]:
    """Return an object's content and the generation that has it; None and 0 where there is none."""
    while True:
        blob = _blob(path)
        try:
            # Not every service tells the generation together with the content.
            blob.reload(retry=_RETRY)
            generation = int(blob.generation)
            return blob.download_as_bytes(if_generation_match=generation, retry=_RETRY), generation
        except NotFound:
            return None, 0
        except PreconditionFailed:
            continue


def _upload(path: str, data: bytes, generation: int | None) -> bool:
    try:
        _blob(path).upload_from_string(
            data,
            content_type="application/octet-stream",
            if_generation_match=generation,
            retry=_RETRY,
        )
    except PreconditionFailed:
        return False
    except Forbidden as error:
        # Who may create and not delete is told that where an object is there already.
        if generation == 0 and _NOT_REPLACED in str(error):
            return False
        raise
    return True


def _blob(path: str) -> Any:
    bucket, _, name = path.removeprefix(_GS).partition("/")
    return _client_here().bucket(bucket).blob(name)


def _below(name: str, folder: str) -> bool:
    return not folder or name.startswith(folder.rstrip("/") + "/")


def _client_here() -> Any:
    return _client(os.environ.get("STORAGE_EMULATOR_HOST"))


@functools.cache
def _client(emulator: str | None) -> Any:
    """Return the process's client, one for each emulator address."""
    if emulator:
        return storage.Client(project="local", credentials=AnonymousCredentials())
    # Objects need no project, and not everybody's credentials name one.
    return storage.Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT"))
