"""A set of contracts as plain data: picklable, and the same in every worker."""

import msgspec

from schemas.field_types import FieldType

__all__ = ["Contract", "Contracts"]

_DETAILS = "event_details"


class Contract(msgspec.Struct, frozen=True):
    """What the `event_details` of one event type hold; for the envelope, what surrounds them."""

    event_type: str
    domain: str
    doc: str
    fields: dict[str, FieldType]


class Contracts(msgspec.Struct, frozen=True):
    """The contracts of a job by event type, and that of the envelope they share."""

    types: dict[str, Contract]
    envelope: Contract

    def field(self, event_type: str, path: str) -> FieldType:
        """Return the type at `user_id` or `event_details.a.b`; `KeyError` where there is none.

        A path leads through records, not into arrays and maps.
        """
        found = self.event(event_type)
        for name in path.split("."):
            found = found.fields[name]
        return found

    def event(self, event_type: str) -> FieldType:
        """Return the type of a whole event: the envelope's fields, and `event_details`."""
        details = FieldType(kind="record", fields=self.types[event_type].fields)
        return FieldType(kind="record", fields={**self.envelope.fields, _DETAILS: details})
