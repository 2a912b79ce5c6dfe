"""Contracts: what each event type may hold, read from Avro files; docs/contracts.md says how."""

from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError

from schemas.avro_types import Place, read_record
from schemas.contract_check import check_details, check_envelope
from schemas.contract_set import Contract, Contracts
from schemas.credentials import require_credentials
from schemas.field_types import ContractError, FieldType
from schemas.locations import is_remote

__all__ = ["Contract", "ContractError", "Contracts", "FieldType", "load_contracts"]

_SHIPPED = Path(__file__).parent / "contracts"
_ENVELOPE = "envelope.avsc"
_MOST_BYTES = 1_000_000
# Beam answers an unknown scheme by ValueError; each file system has errors of its own below that.
_REMOTE_ERRORS = (BeamIOError, OSError, ValueError, GoogleAPIError, GoogleAuthError)


def load_contracts(location: str | None = None) -> Contracts:
    """Read a folder `<domain>/<event_type>.avsc`; None is the set that the suite ships.

    Args:
        location: a local folder, or one that Beam's file systems can read (`gs://...`). Without an
            `envelope.avsc` of its own it takes the shipped one.

    Raises:
        ContractError: one line with file, field, problem and remedy.
        CredentialsError: a folder of Cloud Storage, and no credentials.
    """
    folder = location or str(_SHIPPED)
    files = _read_files(folder)
    envelope = files.pop(_ENVELOPE, None) or (_SHIPPED / _ENVELOPE).read_bytes()
    contracts = Contracts({}, _read_envelope(envelope, f"{folder}/{_ENVELOPE}"))
    if not files:
        raise ContractError(folder, "", "no contracts here", "add <domain>/<event_type>.avsc")
    for name in sorted(files):
        _add(contracts, _read_contract(files[name], folder, name), f"{folder}/{name}")
    return contracts


def _add(contracts: Contracts, contract: Contract, file: str) -> None:
    other = contracts.types.get(contract.event_type)
    if other is not None:
        problem = f"event type {contract.event_type} is also in domain {other.domain}"
        raise ContractError(file, "", problem, "rename one: an event names its type only")
    contracts.types[contract.event_type] = contract


def _read_contract(content: bytes, folder: str, name: str) -> Contract:
    file = PurePosixPath(name)
    place = Place(f"{folder}/{name}")
    if len(file.parts) != 2:
        place.refuse("the file is not in a folder of its domain", "move it to <domain>/")
    spec = _read_avro(content, place)
    if spec.get("name") != file.stem:
        place.refuse(f"the record is not named {file.stem}", "name it like its file")
    if spec.get("domain") != file.parts[0]:
        problem = f"the attribute domain is not {file.parts[0]}"
        place.refuse(problem, f'set "domain": "{file.parts[0]}", or move the file')
    try:
        details = read_record(spec, place)
        check_details(details, place)
    except RecursionError:
        place.refuse("fields nest deeper than any event", "flatten them")
    return Contract(file.stem, file.parts[0], details.doc, details.fields)


def _read_envelope(content: bytes, file: str) -> Contract:
    place = Place(file)
    spec = _read_avro(content, place)
    try:
        record = read_record(spec, place)
        check_envelope(record, place)
    except RecursionError:
        place.refuse("fields nest deeper than any event", "flatten them")
    return Contract("envelope", "", record.doc, record.fields)


def _read_avro(content: bytes, place: Place) -> dict[str, Any]:
    if len(content) > _MOST_BYTES:
        place.refuse(f"more than {_MOST_BYTES} bytes", "this is no contract; take it away")
    try:
        spec = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        place.refuse(f"no JSON: {error}", "correct the file")
    if not isinstance(spec, dict) or spec.get("type") != "record":
        place.refuse("no Avro record", 'the file is one object with "type": "record"')
    if not spec.get("doc"):
        place.refuse("the record has no doc", 'say in "doc" what the event means')
    place.named[str(spec.get("name"))] = None
    return spec


def _read_files(folder: str) -> dict[str, bytes]:
    if is_remote(folder):
        return _read_remote(folder.rstrip("/"))
    root = Path(folder)
    problem = _problem_of(root)
    if problem:
        raise ContractError(folder, "", problem, "give the folder that holds <domain>/")
    found = sorted(root.rglob("*.avsc"))
    return {path.relative_to(root).as_posix(): _read_local_file(path) for path in found}


def _problem_of(root: Path) -> str:
    try:
        if root.is_dir():
            return ""
        return "a file, not a folder" if root.exists() else "no such folder"
    except OSError as error:
        # A name that is too long, or a folder above it that must not be entered.
        return f"cannot be looked at ({error.strerror})"


def _read_local_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except IsADirectoryError:
        remedy = "name folders by domain, without .avsc"
        raise ContractError(str(path), "", "a folder, not a contract", remedy) from None
    except OSError as error:
        problem = f"the file cannot be read ({error.strerror})"
        raise ContractError(str(path), "", problem, "check that it is there, and yours") from None


def _read_remote(folder: str) -> dict[str, bytes]:
    if folder.startswith("gs://"):
        require_credentials(folder)
    try:
        matched = FileSystems.match([f"{folder}/**.avsc"])[0].metadata_list
        return {one.path[len(folder) + 1 :]: _read_remote_file(one.path) for one in matched}
    except _REMOTE_ERRORS as error:
        problem = f"the folder cannot be read ({type(error).__name__})"
        raise ContractError(folder, "", problem, "check the path and the permissions") from error


def _read_remote_file(path: str) -> bytes:
    with FileSystems.open(path) as file:
        content: bytes = file.read(_MOST_BYTES + 1)
        return content
