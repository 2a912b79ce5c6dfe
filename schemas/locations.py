"""Locations as options give them: local paths, or URLs such as gs://BUCKET/FOLDER."""

import os

__all__ = ["expanded", "is_remote", "write_problem"]


def is_remote(location: str) -> bool:
    """Return whether a location is a URL and no local path."""
    return "://" in location


def expanded(location: str) -> str:
    """Return a location with `~` as the home folder: shells leave it as it is behind `--option=`.

    >>> expanded("gs://bucket/~/x")
    'gs://bucket/~/x'
    """
    return location if is_remote(location) else os.path.expanduser(location)


def write_problem(path: str, *, is_file: bool) -> str | None:
    """Return why a local file or folder cannot be written, with the remedy; None: it can be.

    Looks, and makes nothing: what is missing will be made with the first object.
    """
    if is_file and not os.path.basename(path):
        return "names no file; name one"
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return f"cannot be used ({reason}); name another place"
    if is_file and os.path.isdir(path):
        return "is a folder; name a file in it"
    if not is_file and os.path.exists(path) and not os.path.isdir(path):
        return "is a file; name a folder"
    return _folder_problem(os.path.dirname(path) if is_file else path)


def _folder_problem(folder: str) -> str | None:
    """Ask the nearest folder that exists: those below it can be made if it takes them."""
    nearest = os.path.abspath(folder or ".")
    while not os.path.lexists(nearest) and nearest != os.path.dirname(nearest):
        nearest = os.path.dirname(nearest)
    if not os.path.isdir(nearest):
        return f"cannot be made, since {nearest} is no folder; name another place"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"cannot be written: no permission in {nearest}; grant it, or name another place"
    return None
