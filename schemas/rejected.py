"""The one record for whatever a pipeline cannot use."""

import enum

import msgspec

from schemas.events import RawEvent

__all__ = ["Reason", "Rejected", "reject"]


class Reason(str, enum.Enum):
    """Why a message, a row or an object of the archive was refused.

    The value is the code in quarantine and counters.
    """

    EMPTY_PAYLOAD = "empty_payload"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    BAD_COMPRESSION = "bad_compression"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    BAD_ID = "bad_id"
    BAD_TIMESTAMP = "bad_timestamp"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    BAD_ENUM_VALUE = "bad_enum_value"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    BAD_VALUE = "bad_value"
    ID_CONFLICT = "id_conflict"
    MUTATION_REFUSED = "mutation_refused"
    ROW_REFUSED = "row_refused"
    OBJECT_MISSING = "object_missing"
    OBJECT_EMPTY = "object_empty"
    OBJECT_NOT_AVRO = "object_not_avro"
    OBJECT_FOREIGN_SCHEMA = "object_foreign_schema"
    OBJECT_WRONG_CODEC = "object_wrong_codec"
    OBJECT_DAMAGED = "object_damaged"


class Rejected(msgspec.Struct, frozen=True, array_like=True):
    """A refused input with all that is needed to understand it and to run it again.

    `payload` is the original message, or the refused mutation. `detail` names the field and the
    rule, never a value. Times are microseconds since the epoch; `event_time` is None where it could
    not be read. `attempt` says how often it was handed in again before it was refused: 0 as long as
    it comes from the source, also when an engine runs a bundle again, which a step is not told of.
    `replayed_from` names the archive and source of a replay, and `run` its run; both are empty on
    the live path. `rejected_at`, `attempt`, `replayed_from` and `run` differ between handlings and
    are no part of identity.
    """

    step: str
    reason: str
    detail: str
    payload: bytes
    attributes: dict[str, str]
    message_id: str
    ordering_key: str
    event_time: int | None
    publish_time: int | None
    rejected_at: int = 0
    job: str = ""
    attempt: int = 0
    replayed_from: str = ""
    run: str = ""


def reject(
    raw: RawEvent, step: str, reason: Reason, detail: str, event_time: int | None = None
) -> Rejected:
    """Refuse a message: the only place where a `Rejected` is made of one.

    >>> reject(RawEvent(b""), "Decode", Reason.EMPTY_PAYLOAD, "no bytes").reason
    'empty_payload'
    """
    return Rejected(
        step=step,
        reason=reason.value,
        detail=detail,
        payload=raw.payload,
        attributes=dict(raw.attributes),
        message_id=raw.message_id,
        ordering_key=raw.ordering_key,
        event_time=event_time,
        publish_time=raw.publish_time,
    )
