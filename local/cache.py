"""What is built or fetched once lives in the user's cache folder, under a key of its sources."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["built_once", "cache_folder", "cached", "source_key"]


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return `$XDG_CACHE_HOME/penstock`, by default `~/.cache/penstock`; it may not exist yet."""
    # The specification of XDG says that a relative path is to be ignored.
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    root = given if given.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".cache"
    return root / "penstock"


def source_key(version: str, sources: Iterable[Path], *extra: str) -> str:
    """Return a key of the version, the sources' names and bytes, and what else decides the result.

    Args:
        version: stands readable at the front of the key.
        sources: files; their order does not count.
        extra: such as platform or compiler.
    """
    digest = hashlib.sha256()
    parts = [(path.name.encode(), path.read_bytes()) for path in sources]
    for part in [*sorted(parts), *((b"", text.encode()) for text in extra)]:
        for piece in part:
            digest.update(len(piece).to_bytes(8, "big") + piece)
    return f"{version}-{digest.hexdigest()[:16]}"


def cached(name: str, key: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that `built_once` fills; it exists only whole."""
    return cache_folder(environ) / f"{name}-{key}"


def built_once(
    name: str, key: str, build: Callable[[Path], None], environ: Mapping[str, str] = os.environ
) -> Path:
    """Return the folder of this name and key, after `build` has filled it if it was missing.

    Of processes that ask at the same time one builds and the others wait. The folder appears by a
    rename, so a build that fails or is killed leaves nothing that looks finished.
    """
    folder = cached(name, key, environ)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.is_dir():
            _build(folder, build)
    return folder


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    # Under the lock the name is ours; a killed build may have left something there.
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        build(unfinished)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
