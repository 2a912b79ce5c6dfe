"""Chooses sources of an archive by their names, the same for all who read it."""

from schemas.archive_layout import EVENTS
from transforms.archive_manifest import list_sources

__all__ = ["NoSourceError", "choose_sources", "only_source"]


class NoSourceError(ValueError):
    """An archive does not have the source that is asked for: one line with the remedy."""


def choose_sources(root: str, source: str | None, option: str = "source") -> list[str]:
    """Return the sources that are meant: the given one, or all of the archive.

    Args:
        root: of the archive.
        source: None: all that there are.
        option: the one that names it, for the message.

    Raises:
        NoSourceError: it is not in the archive, or nothing is.
        ObjectStoreError: the archive cannot be listed.
    """
    known = list_sources(root)
    if not known:
        msg = f"{root}/{EVENTS}: holds no events; name the root of an archive, or its {EVENTS}"
        raise NoSourceError(msg)
    if source is None:
        return known
    if source not in known:
        msg = f"--{option}={source}: not in {root}; it holds {', '.join(known)}"
        raise NoSourceError(msg)
    return [source]


def only_source(root: str, source: str | None, option: str = "source") -> str:
    """Return the source that is meant: the given one, or the only one of the archive.

    Args and errors: as `choose_sources`; several, of which none is named, are one more error.
    """
    chosen = choose_sources(root, source, option)
    if len(chosen) > 1:
        msg = f"{root} holds {len(chosen)} sources; name one by --{option}: {', '.join(chosen)}"
        raise NoSourceError(msg)
    return chosen[0]
