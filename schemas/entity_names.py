"""The names of the entities that feature files are about, whatever else they say."""

from pathlib import Path

import msgspec

from schemas.declaration_entries import Entries
from schemas.declaration_file import declaration_files, read_text, read_yaml
from schemas.feature_error import FEATURES

__all__ = ["entity_names"]

_SHIPPED = Path(__file__).parent / "features"


class _Named(msgspec.Struct):
    entity: str


def entity_names(location: str | None) -> list[str]:
    """Return the entities of a file or folder, local or `gs://`; None means the shipped ones.

    No contract is needed, and nothing but the names is checked.

    >>> entity_names(None)
    ['session', 'user']

    Raises:
        FeatureError: a file is missing or names none; one line with the file and the remedy.
        CredentialsError: a place in Cloud Storage, and no credentials.
    """
    names = []
    for path in declaration_files(str(_SHIPPED) if location is None else location, FEATURES):
        file = path.rsplit("/", 1)[-1]
        given = read_yaml(read_text(path, FEATURES), file, FEATURES)
        names.append(Entries(file, FEATURES).converted("file", given, _Named).entity)
    return names
