"""The text of an environment file: YAML of texts alone, and the lines of its parts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from console.launch_secrets import looks_secret

__all__ = ["FileError", "Lines", "read_file"]

_MOST_BYTES = 1_000_000
_NULL = "tag:yaml.org,2002:null"
_KINDS = ("null", "str", "seq", "map")

Lines: TypeAlias = dict[tuple[str, ...], int]


class FileError(ValueError):
    """An environment file that cannot be used: one line that names file, line, field and remedy.

    It never shows what a line holds, which may be a secret in the wrong place.
    """


class _UnfitError(ValueError):
    """A text that no field may hold: its line, why, and the remedy."""


class _Texts(yaml.SafeLoader):
    """Leaves every value the text that stands there, but for nulls.

    YAML would make numbers of times, times of dates and yes of no, and a parameter is a text.
    """

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        """Return the text of a key or of a value, if a field may hold it."""
        text, line = str(super().construct_scalar(node)), node.start_mark.line + 1
        if not text.isprintable():
            msg = f"{line}: holds a line break or a character that cannot be shown; leave it out"
            raise _UnfitError(msg)
        if looks_secret(text):
            msg = f"{line}: looks like a secret; keep it in Secret Manager, and name it here"
            raise _UnfitError(msg)
        return text

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge nothing, so that `!!merge` is of no known kind: a few lines can stand for billions.

        Args:
            node: whose keys stay as they are.
        """


_Texts.yaml_implicit_resolvers = {
    first: kept
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [each for each in resolvers if each[0] == _NULL])
}
_Texts.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in _KINDS
}


def read_file(path: Path) -> tuple[dict[str, Any], Lines]:
    """Return what a file holds, and the line of each key by the keys that lead to it.

    Raises:
        FileError: it cannot be read, is no YAML, is no mapping, or gives a key twice.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        msg = f"{path}: cannot be read ({reason}); name a YAML file"
        raise FileError(msg) from None
    if len(data) > _MOST_BYTES:
        msg = f"{path}: larger than {_MOST_BYTES} bytes; name the file of one environment"
        raise FileError(msg)
    return _parsed(path, text)


def _parsed(path: Path, text: str) -> tuple[dict[str, Any], Lines]:
    loader = None
    try:
        loader = _Texts(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            msg = f"{path}: holds no fields; write them as `project: my-project`, one a line"
            raise FileError(msg)
        lines = dict(_lines(path, node, (), set()))
        return loader.construct_document(node), lines
    except _UnfitError as error:
        msg = f"{path}:{error}"
        raise FileError(msg) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        # The mark would show the line itself.
        msg = f"{path}{line}: not YAML: {error.problem or error.context}; correct the line"
        raise FileError(msg) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, FileError):
            raise
        msg = f"{path}: not YAML ({type(error).__name__}); correct the file"
        raise FileError(msg) from None
    finally:
        if loader is not None:
            loader.dispose()


def _lines(
    path: Path, node: yaml.Node, above: Sequence[str], walked: set[int]
) -> Iterator[tuple[tuple[str, ...], int]]:
    """Walk mappings only, each once: one that holds itself would never end, nested ones hardly."""
    if not isinstance(node, yaml.MappingNode) or len(above) > 4 or id(node) in walked:
        return
    walked.add(id(node))
    seen = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        if name in seen:
            msg = f"{path}:{line}: {name} is given twice; give it once"
            raise FileError(msg)
        seen.add(name)
        here = (*above, name)
        yield here, line
        yield from _lines(path, value, here, walked)
