"""Where declarations are and what their YAML holds; nothing about their meaning."""

import collections
from collections.abc import Hashable

import yaml
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from schemas.credentials import require_credentials
from schemas.declaration_error import DeclarationKind

__all__ = ["declaration_files", "read_text", "read_yaml"]

_SUFFIXES = (".yaml", ".yml")


def declaration_files(location: str, kind: DeclarationKind) -> list[str]:
    """Return the paths of a file, or of all YAML files of a folder, in the order of their names."""
    base = location.rstrip("/")
    if base.startswith("gs://"):
        require_credentials(location)
    try:
        single = base.endswith(_SUFFIXES)
        patterns = [base] if single else [f"{base}/*{suffix}" for suffix in _SUFFIXES]
        matches = FileSystems.match(patterns)
    except (OSError, ValueError, BeamIOError) as error:
        msg = f"{location}: cannot be listed ({type(error).__name__}); give a YAML file or a folder"
        raise kind.error(msg) from error
    paths = {found.path for match in matches for found in match.metadata_list}
    files = sorted(path for path in paths if path.endswith(_SUFFIXES))
    if not files:
        remedy = "give a YAML file or a folder of them"
        msg = f"{location}: no {kind.name} file (*.yaml) is there; {remedy}"
        raise kind.error(msg)
    return files


def read_text(path: str, kind: DeclarationKind) -> str:
    """Return the text of one file, local or `gs://`."""
    try:
        with FileSystems.open(path) as file:
            return str(file.read().decode())
    except (OSError, UnicodeDecodeError, BeamIOError) as error:
        msg = f"{path}: cannot be read as UTF-8 text ({type(error).__name__}); check the file"
        raise kind.error(msg) from error


def read_yaml(text: str, file: str, kind: DeclarationKind) -> object:
    """Return what a YAML text holds; a key that is given twice is refused."""
    try:
        return yaml.load(text, _UniqueKeyLoader)  # noqa: S506 (derived from SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # A date of month 13, a number of 5,000 digits or 3,000 brackets are no error of YAML's.
        msg = f"{file}: not YAML: {' '.join(str(error).split())}; correct the file"
        raise kind.error(msg) from error


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML would silently take the last of two equal keys."""


def _unique_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[object, object]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    # What cannot be a key is refused below.
    counts = collections.Counter(key for key in keys if isinstance(key, Hashable))
    if twice := [key for key, count in counts.items() if count > 1]:
        msg = f"key '{twice[0]}' is given twice"
        raise yaml.constructor.ConstructorError(None, None, msg, node.start_mark)
    return loader.construct_mapping(node, deep=True)


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    """Return a text with halves of characters joined: JSON escapes what is beyond U+FFFF as two."""
    text = str(loader.construct_scalar(node))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:str", _text)
_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
