"""Names of datasets and tables in an environment: the project, and a prefix before each dataset."""

import re

import msgspec

from schemas.tables import TableError

__all__ = ["Datasets"]

_PROJECT = re.compile(r"(?:[a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_]{0,100}")
_PLACEHOLDER = re.compile(r"\{table:([^{}]+)\}")


class Datasets(msgspec.Struct, frozen=True):
    """Where the suite's tables are: a project, and what stands before the name of each dataset.

    >>> Datasets("my-project", "dev_").full("ops.late")
    'my-project.dev_ops.late'

    Raises:
        TableError: the project or the prefix cannot be a part of a name.
    """

    project: str
    prefix: str = ""

    def __post_init__(self) -> None:
        if not _PROJECT.fullmatch(self.project):
            msg = (
                f"{self.project!r} is no project: give its id, 6 to 30 lower-case letters, digits"
                " and hyphens, such as my-project"
            )
            raise TableError(msg)
        if not _PREFIX.fullmatch(self.prefix):
            msg = (
                f"{self.prefix!r} is no prefix of datasets: use up to 100 letters, digits and _,"
                " such as dev_"
            )
            raise TableError(msg)

    def dataset(self, name: str) -> str:
        """Return the name of a dataset with the prefix.

        >>> Datasets("my-project", "dev_").dataset("ops")
        'dev_ops'
        """
        return self.prefix + name

    def full(self, table: str) -> str:
        """Return `<project>.<prefix><dataset>.<name>` of `<dataset>.<name>`."""
        return f"{self.project}.{self.prefix}{table}"

    def sql(self, template: str) -> str:
        """Return a query with `{table:<dataset>.<name>}` as the quoted full names.

        >>> Datasets("my-project").sql("SELECT 1 FROM {table:ops.late}")
        'SELECT 1 FROM `my-project.ops.late`'
        """
        return _PLACEHOLDER.sub(lambda found: f"`{self.full(found[1])}`", template)
