"""Whole objects in a local folder or in Cloud Storage: created once, replaced, listed and read."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TypeVar

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from transforms import bucket_objects, folder_objects
from transforms.folder_objects import Listed

__all__ = [
    "Listed",
    "ObjectStoreError",
    "check_path",
    "create_object",
    "delete_object",
    "has_bucket",
    "list_folders",
    "list_objects",
    "list_unfinished",
    "read_object",
    "read_objects",
    "replace_object",
    "update_object",
]

_Result = TypeVar("_Result")

_GS = "gs://"
_FAILURES = (OSError, GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse)


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
    created: bool = _guarded(path, lambda: _store(path).create(path, data))
    return created


def replace_object(path: str, data: bytes) -> None:
    """Write an object, whether there was one or not; a reader sees the old or the new one."""
    _guarded(path, lambda: _store(path).put(path, data))


def update_object(path: str, change: Callable[[bytes | None], bytes | None]) -> bool:
    """Replace an object by what `change` makes of its content; return whether it was replaced.

    `change` gets None where there is no object, and returns None to leave it as it is. It is called
    again where somebody else was quicker, so no two changes ever overwrite each other; and, in a
    bucket, where the answer to a write was lost: a change that is made twice must do no harm.
    """
    updated: bool = _guarded(path, lambda: _store(path).update(path, change))
    return updated


def read_object(path: str) -> bytes | None:
    """Return the content of an object, None where there is none."""
    content: bytes | None = _guarded(path, lambda: _store(path).read(path))
    return content


def delete_object(path: str) -> bool:
    """Delete an object; return False where there was none."""
    deleted: bool = _guarded(path, lambda: _store(path).delete(path))
    return deleted


def list_folders(path: str) -> list[str]:
    """Return the names of the folders in a folder, in order; none where it is not there."""
    names: list[str] = _guarded(path, lambda: _store(path).folders(path))
    return names


def list_objects(path: str, suffix: str = "") -> Iterator[Listed]:
    """Yield the objects below a folder with this suffix, by path; nothing is opened.

    The path of a single object yields that one.
    """
    found: Iterator[Listed] = iter(_store(path).listed(path, suffix))
    while (each := _guarded(path, lambda: next(found, None))) is not None:
        yield each


def has_bucket(path: str) -> bool:
    """Return whether the bucket of a remote path is there, as far as this process may know."""
    there: bool = _guarded(path, lambda: bucket_objects.has_bucket(path))
    return there


def list_unfinished(path: str) -> list[Listed]:
    """Return what killed writers have left in a local folder itself; a bucket keeps no such thing.

    What is being written at this moment is among it: only its age tells the one from the other.
    """
    if path.startswith(_GS):
        return []
    return _guarded(path, lambda: folder_objects.unfinished(path))


def read_objects(path: str, suffix: str) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of the objects below a folder with this suffix, by path.

    The path of a single object yields that one.
    """
    for each in list_objects(path, suffix):
        content = read_object(each.path)
        if content is not None:
            yield each.path, content


def _store(path: str) -> ModuleType:
    return bucket_objects if path.startswith(_GS) else folder_objects


def _guarded(path: str, action: Callable[[], _Result]) -> _Result:
    try:
        return action()
    except _FAILURES as error:
        msg = f"{path}: {' '.join(str(error).split())}; check that the place exists and is writable"
        raise ObjectStoreError(msg) from None
