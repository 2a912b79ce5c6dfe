"""Checks at the launch of a job that the Bigtable table it writes is there, and has its family."""

from grpc import RpcError, StatusCode

from schemas.bigtable_table import TableName
from transforms.bigtable_connection import Connection
from transforms.mutation_batch import encode_probe

__all__ = ["check_family"]

_PATIENCE = 10.0
_ROW = b"penstock-probe"
_CODES = {code.value[0]: code for code in StatusCode}
_MISSING = "make it with `penstock tables create --bigtable_table={table}`, or mend its name"
_REMEDIES = {
    StatusCode.NOT_FOUND: _MISSING,
    StatusCode.INVALID_ARGUMENT: _MISSING,
    # What the emulator says of a family that is not there.
    StatusCode.INTERNAL: _MISSING,
    StatusCode.PERMISSION_DENIED: "ask for the role roles/bigtable.user",
    StatusCode.UNAUTHENTICATED: "log in to gcloud, or export what `penstock up` prints",
}


def check_family(table: str, family: str, app_profile: str | None = None) -> None:
    """Raise where a table takes no writes to a family.

    A column that nobody writes is deleted of a row that nobody has, so nothing changes. Where the
    service does not answer nothing is said: the writer has more patience.

    Raises:
        ValueError: one line that names the table and the remedy.
    """
    connection = Connection(TableName.parse(table), app_profile)
    try:
        answers = [*connection.send([encode_probe(_ROW, family)], _PATIENCE)]
        code = _CODES.get(answers[0][1]) if answers else None
    except RpcError as error:
        code = error.code()
    finally:
        connection.close()
    if code is not None and code in _REMEDIES:
        remedy = _REMEDIES[code].format(table=table)
        msg = f"{table} takes no writes to the family {family} ({code.name}); {remedy}"
        raise ValueError(msg)
