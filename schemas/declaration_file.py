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
_MOST_BYTES = 1_000_000
_MOST_NODES = 100_000
_MOST_OPEN = 100
_LONGEST_NUMBER = 5_000
"""In characters; of more than that, sixty by sixty, a number takes minutes to read."""


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
            content = file.read(_MOST_BYTES + 1)
            text = str(content.decode())
    except (OSError, UnicodeDecodeError, BeamIOError) as error:
        msg = f"{path}: cannot be read as UTF-8 text ({type(error).__name__}); check the file"
        raise kind.error(msg) from error
    if len(content) > _MOST_BYTES:
        msg = f"{path}: more than {_MOST_BYTES} bytes, which no declaration takes; check the file"
        raise kind.error(msg)
    return text


def read_yaml(text: str, file: str, kind: DeclarationKind) -> object:
    """Return what a YAML text holds; a key that is given twice is refused."""
    try:
        return yaml.load(text, _UniqueKeyLoader)  # noqa: S506 (derived from SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # A date of month 13, a number of 5,000 digits or 3,000 brackets are no error of YAML's.
        msg = f"{file}: not YAML: {' '.join(str(error).split())}; correct the file"
        raise kind.error(msg) from error


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML would silently take the last of two equal keys; and a few aliases can be billions."""

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        """Take a bracket; of very many open ones each takes as long as all those before it.

        Raises:
            ScannerError: there are more than any declaration has.
        """
        if self.flow_level >= _MOST_OPEN:
            msg = f"more than {_MOST_OPEN} brackets inside each other"
            raise yaml.scanner.ScannerError(None, None, msg, self.get_mark())
        super().fetch_flow_collection_start(token)

    def get_single_node(self) -> yaml.Node | None:
        """Return the text's one node, which holds no more than a declaration may, aliases counted.

        Raises:
            ConstructorError: it does.
        """
        node = super().get_single_node()
        if node is not None and _size(node, {}) > _MOST_NODES:
            msg = f"more than {_MOST_NODES} values, those of aliases counted"
            raise yaml.constructor.ConstructorError(None, None, msg, node.start_mark)
        return node


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node stands for, each alias written out."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith((":int", ":float")) and len(node.value) > _LONGEST_NUMBER:
            msg = f"a number of more than {_LONGEST_NUMBER} characters"
            raise yaml.constructor.ConstructorError(None, None, msg, node.start_mark)
        return 1
    found = known.get(id(node))
    if found is None:
        # Of a node that holds itself there is no end.
        known[id(node)] = _MOST_NODES + 1
        pairs = (
            node.value if isinstance(node, yaml.MappingNode) else ((each,) for each in node.value)
        )
        found = 1 + sum(_size(each, known) for pair in pairs for each in pair)
        known[id(node)] = found
    return found


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
