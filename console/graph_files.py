"""Reads captured graphs from files, and says what comparing two of them gave."""

import json
from collections.abc import Iterator
from pathlib import Path

from console.graph_diff import Comparison, Graph, compare, graph_of
from schemas.locations import expanded, is_remote

__all__ = ["STATUS", "diff_graphs", "mapping_json", "read_graph", "told"]

STATUS = {"compatible": 0, "incompatible": 1, "needs mapping": 3}
"""With which status `penstock graph diff` ends; 2 is for what it cannot read."""


def read_graph(place: str) -> Graph:
    """Read a graph from a local file or an object of Cloud Storage.

    Raises:
        ValueError: one line that names what cannot be read and the remedy.
    """
    data = _content(place)
    try:
        return graph_of(data)
    except ValueError as error:
        msg = f"{place}: {error}"
        raise ValueError(msg) from None


def diff_graphs(old: str, new: str) -> Comparison:
    """Compare the graphs of two files."""
    return compare(read_graph(old), read_graph(new))


def told(found: Comparison) -> Iterator[str]:
    """Yield what differs, a line each, and the verdict at the end."""
    yield from found.notes
    yield from (f"{label}: is {to} now" for label, to in found.mapping.items())
    yield from found.reasons
    yield found.verdict


def mapping_json(found: Comparison) -> str:
    """Return what `--transform_name_mapping` takes."""
    return json.dumps(found.mapping)


def _content(place: str) -> bytes:
    if is_remote(place):
        return _object(place)
    try:
        return Path(expanded(place)).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        msg = f"{place}: no such file; name a pipeline.pb or a file of penstock graph save"
        raise ValueError(msg) from None
    except OSError as error:
        msg = f"{place}: cannot be read ({error.strerror}); name another file"
        raise ValueError(msg) from None


def _object(place: str) -> bytes:
    # By the call: the client takes seconds to import, and local files need none of it.
    from schemas.credentials import require_credentials  # noqa: PLC0415
    from transforms.object_store import (  # noqa: PLC0415
        ObjectStoreError,
        check_path,
        read_object,
    )

    path = check_path(place)
    require_credentials(path)
    try:
        content = read_object(path)
    except ObjectStoreError as error:
        raise ValueError(str(error)) from None
    if content is None:
        msg = f"{place}: no such object; the options of the job name it as pipelineUrl"
        raise ValueError(msg)
    return content
