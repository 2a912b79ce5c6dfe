"""What `penstock tables create` does."""

from google.api_core.exceptions import AlreadyExists

from local.tables import create_table
from schemas.bigtable_table import FAMILIES, TableName
from schemas.credentials import BIGTABLE, require_credentials

__all__ = ["new_table"]


def new_table(bigtable_table: str) -> str:
    """Create a table with the hot path's families; return what was done.

    Raises:
        ValueError: one line that names what is wrong and the remedy.
    """
    name = TableName.parse(bigtable_table)
    require_credentials(f"--bigtable_table={name}", BIGTABLE)
    try:
        create_table(name)
    except AlreadyExists:
        msg = f"table {name} exists already; choose another name, or use it as it is"
        raise ValueError(msg) from None
    families = ", ".join(family.name for family in FAMILIES)
    return f"created {name} with the families {families}"
