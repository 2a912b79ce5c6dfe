"""Reads values that were unknown by the type that their field has now."""

from typing import Any

import msgspec

from schemas.bigquery_json import compile_form, encode_json
from schemas.contract_set import Contract, Contracts
from schemas.decoder import Decoder, Refusal
from schemas.field_types import FieldType
from schemas.pseudonym import Pseudonymiser
from schemas.pseudonym_key import PseudonymKey
from schemas.rejected import Reason
from schemas.surrogates import has_hidden
from schemas.unknown_fields import members

__all__ = ["DriftField", "RefusedValueError"]

_DETAILS = "event_details"
_ENVELOPE = (
    b'{"event_id":"e","event_type":"fill","user_id":"u","event_timestamp":"2026-01-01T00:00:00Z"'
)
_HALF = Refusal(Reason.BAD_VALUE, "drift: half a character (lone surrogate)")

_Row = dict[str, Any]


class RefusedValueError(ValueError):
    """A value does not fit the field that is known now."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


class DriftField:
    """Reads values of one field from JSON text, as an event of a contract with that field only.

    Args:
        name: of the field.
        field: as it is known now.
        contracts: whose envelope the events have.
        key: for pseudonyms; None where nothing is personal.
    """

    def __init__(
        self, name: str, field: FieldType, contracts: Contracts, key: PseudonymKey | None
    ) -> None:
        self._name = name
        optional = msgspec.structs.replace(field, required=False)
        details = {name: optional}
        # The envelope is not looked at, so nothing of it is personal here.
        envelope = {
            each: msgspec.structs.replace(it, pii=None)
            for each, it in contracts.envelope.fields.items()
        }
        only = Contracts(
            {"fill": Contract("fill", "", "", details)},
            msgspec.structs.replace(contracts.envelope, fields=envelope),
        )
        self._decoder = Decoder(only)
        self._pseudonymiser = Pseudonymiser(only, key)
        self._prepare = compile_form(FieldType(kind="record", fields=details))

    def read(self, text: Any) -> tuple[_Row, Any]:
        """Return what of a record the value makes, and what of it is unknown still, as JSON text.

        Raises:
            RefusedValueError: the value does not fit.
        """
        return self._read(b"%b:%b" % (encode_json(self._name), bytes(text)))

    def absent(self) -> _Row:
        """Return what of a record an event makes that does not carry the field: its default."""
        return self._read(b"")[0]

    def _read(self, member: bytes) -> tuple[_Row, Any]:
        read = self._decoder.read(b'%b,"event_details":{%b}}' % (_ENVELOPE, member), {}, None)
        if isinstance(read, Refusal):
            raise RefusedValueError(read)
        record, _, drift = read
        details = self._pseudonymiser.apply(record).event_details
        if self._prepare is not None:
            details = self._prepare(details)
        known = encode_json(details)
        if has_hidden(known):
            raise RefusedValueError(_HALF)
        rest = members(members(drift)[_DETAILS])[self._name] if drift else None
        return msgspec.json.decode(known), rest
