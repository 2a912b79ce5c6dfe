"""What each reason means, what causes it, how to mend it, and whether it can be released."""

import msgspec

from schemas.rejected import Reason

__all__ = ["REASON_GUIDE", "STEPS", "ReasonNote", "note_text"]


class ReasonNote(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator has to know of one reason; whole sentences.

    `releasable`: there is a way by which the record can be taken as it is, once its cause is
    mended; `release` tells which, or why there is none.
    """

    steps: str
    meaning: str
    causes: str
    remedy: str
    releasable: bool
    release: str


_BYTES_STAY = "The bytes stay what they are: the producer sends the event again, mended."
_ANOTHER_REPLAY = "Once the object is restored, the same replay or release is run again."
_BY_REPAIR = "What the event touches is computed anew from the archive."

REASON_GUIDE: dict[Reason, ReasonNote] = {
    Reason.EMPTY_PAYLOAD: ReasonNote(
        steps="Decode",
        meaning="The message has no bytes, or none when inflated.",
        causes="A producer that puts the event into attributes, or publishes a probe.",
        remedy="Publish the event as the data of the message.",
        releasable=False,
        release=_BYTES_STAY,
    ),
    Reason.PAYLOAD_TOO_LARGE: ReasonNote(
        steps="Decode",
        meaning="The payload is larger than `--max_event_bytes`, as received or inflated.",
        causes="Files or lists inside an event; many events in one message.",
        remedy="Raise `--max_event_bytes`, or let the producer send less at once.",
        releasable=True,
        release=f"With a raised `--max_event_bytes`. {_BY_REPAIR}",
    ),
    Reason.BAD_COMPRESSION: ReasonNote(
        steps="Decode",
        meaning="`content-encoding` says gzip, and the payload is no whole gzip stream.",
        causes="The attribute on a payload that is not packed; a stream cut off or with a tail.",
        remedy="Set the attribute only on what is packed, and send the stream whole.",
        releasable=False,
        release=_BYTES_STAY,
    ),
    Reason.NOT_UTF8: ReasonNote(
        steps="Decode",
        meaning="The payload is not UTF-8.",
        causes="Another character set, a binary format, or gzip without `content-encoding`.",
        remedy="Encode the JSON in UTF-8; name the compression in the attribute.",
        releasable=False,
        release=_BYTES_STAY,
    ),
    Reason.NOT_JSON: ReasonNote(
        steps="Decode",
        meaning="The payload is not JSON.",
        causes="A payload that was cut, another format, or a byte order mark in front.",
        remedy="Send one JSON object a message, written by a JSON library.",
        releasable=False,
        release=_BYTES_STAY,
    ),
    Reason.NOT_AN_OBJECT: ReasonNote(
        steps="Decode",
        meaning="The payload is JSON, and no object.",
        causes="A list of events in one message; an event encoded twice, so that it is a string.",
        remedy="Send one object a message.",
        releasable=False,
        release=_BYTES_STAY,
    ),
    Reason.TOO_DEEP: ReasonNote(
        steps="Decode",
        meaning="Objects and arrays are nested more than 64 deep.",
        causes="A structure that holds itself; an event that wraps the one before it.",
        remedy="Flatten it: the depth is no option.",
        releasable=False,
        release=_BYTES_STAY,
    ),
    Reason.MISSING_FIELD: ReasonNote(
        steps="Decode",
        meaning="A field that the contract requires is absent; the detail names it.",
        causes="A producer older or newer than the contract; a field that was renamed.",
        remedy="Let the producer send it; or make it nullable in the contract, or give a default.",
        releasable=True,
        release=f"With a contract that does not require the field. {_BY_REPAIR}",
    ),
    Reason.WRONG_TYPE: ReasonNote(
        steps="Decode",
        meaning="A field has another JSON type than its contract says, null included.",
        causes="Numbers sent as text, null for a field that cannot be null, a changed producer.",
        remedy="Correct the producer; or the contract, where it is what is wrong.",
        releasable=True,
        release=f"With a contract that takes the type that was sent. {_BY_REPAIR}",
    ),
    Reason.UNKNOWN_EVENT_TYPE: ReasonNote(
        steps="Decode",
        meaning="No contract has the name that `event_type` gives.",
        causes="A new event type that has no contract yet; a misspelt name.",
        remedy="Add `<domain>/<event_type>.avsc` to the folder that `--contracts` names.",
        releasable=True,
        release=f"With the contract. {_BY_REPAIR}",
    ),
    Reason.BAD_ID: ReasonNote(
        steps="Decode",
        meaning="`event_id`, `user_id` or `session_id` does not have 1 to 256 bytes.",
        causes="Empty text for an absent id; a token or a URL in the place of an id.",
        remedy="Send null where there is no id, and an id that fits.",
        releasable=False,
        release=_BYTES_STAY,
    ),
    Reason.BAD_TIMESTAMP: ReasonNote(
        steps="Decode",
        meaning="A time is not RFC 3339 with an offset, is finer than microseconds, or is none.",
        causes="Local times without offset, numbers since 1970, nanoseconds, leap seconds.",
        remedy="Send times like `2026-01-31T12:00:00.123456Z`.",
        releasable=False,
        release=_BYTES_STAY,
    ),
    Reason.TIME_OUT_OF_RANGE: ReasonNote(
        steps="Decode",
        meaning="The event time lies before 2000, or too far ahead of the publish time.",
        causes="A device whose clock is wrong; seconds read as milliseconds.",
        remedy="Correct the clock; raise `--max_future` where such times are meant.",
        releasable=True,
        release=f"With a raised `--max_future`; not what lies before 2000. {_BY_REPAIR}",
    ),
    Reason.BAD_ENUM_VALUE: ReasonNote(
        steps="Decode",
        meaning="A value is none of the symbols of its enum; the detail names the field.",
        causes="A new value that the contract does not know yet; another case or spelling.",
        remedy="Add the symbol to the contract, or correct the producer.",
        releasable=True,
        release=f"With a contract that has the symbol. {_BY_REPAIR}",
    ),
    Reason.NUMBER_OUT_OF_RANGE: ReasonNote(
        steps="Decode",
        meaning="A number does not fit its field, or is NaN or infinite.",
        causes="A counter that outgrew `int`, other units, a division by zero.",
        remedy="Widen the field (`int` to `long`), or correct the producer.",
        releasable=True,
        release=f"With a contract whose field is wide enough; never NaN and Infinity. {_BY_REPAIR}",
    ),
    Reason.BAD_VALUE: ReasonNote(
        steps="Decode, ExtractChanges, Curate",
        meaning="A value has the right JSON type and is none of its field's; the detail says why.",
        causes="No UUID, no base64, too many decimal places, half a character (lone surrogate).",
        remedy="Correct the producer; or the contract, where it is too narrow.",
        releasable=True,
        release=f"With a contract that takes the value; never half a character. {_BY_REPAIR}",
    ),
    Reason.ID_CONFLICT: ReasonNote(
        steps="Deduplicate",
        meaning="The event id belongs to another event with other content, which was kept.",
        causes="Ids counted anew after a restart; an event that was changed and kept its id.",
        remedy="Give each event an id of its own, and send what is missing under a new one.",
        releasable=False,
        release="It would be the same conflict again: one event of an id counts.",
    ),
    Reason.MUTATION_REFUSED: ReasonNote(
        steps="WriteCells",
        meaning="Bigtable did not take a row; the detail is its status, or the bound that is hit.",
        causes="A missing column family, a row or key that is too large, a cell before 1970.",
        remedy="Create the table by `penstock tables create`; make features smaller, and values"
        " that are dimensions of metrics in Bigtable shorter.",
        releasable=True,
        release="The change is applied again, unless a repair of its tile came later.",
    ),
    Reason.ROW_REFUSED: ReasonNote(
        steps="WriteRows, FillFromDrift",
        meaning="A table cannot take a row; the detail names table, rule and column.",
        causes="A table older than the contract, a row that is too large, a changed column; a value"
        " of a field that was unknown, which does not fit the column that it is to fill.",
        remedy="Bring the tables up to date by `penstock tables apply`.",
        releasable=False,
        release="The span is run again from the archive: rows that are there stay as they are.",
    ),
    Reason.OBJECT_MISSING: ReasonNote(
        steps="ReadArchive, ReadQuarantine",
        meaning="An object is not there, though the archive's manifest names it, or it was listed.",
        causes="It was deleted by hand or by a lifecycle rule, or its entry was copied alone.",
        remedy="Restore the object under its name.",
        releasable=False,
        release=_ANOTHER_REPLAY,
    ),
    Reason.OBJECT_EMPTY: ReasonNote(
        steps="ReadArchive, ReadQuarantine",
        meaning="An object of the archive, or of the quarantine, has no bytes.",
        causes="A copy that was cut off, or a file made by hand.",
        remedy="Restore the object under its name.",
        releasable=False,
        release=_ANOTHER_REPLAY,
    ),
    Reason.OBJECT_NOT_AVRO: ReasonNote(
        steps="ReadArchive, ReadQuarantine",
        meaning="An object of the archive, or of the quarantine, is no Avro file.",
        causes="It was overwritten, or packed once more on the way.",
        remedy="Restore the object under its name.",
        releasable=False,
        release=_ANOTHER_REPLAY,
    ),
    Reason.OBJECT_FOREIGN_SCHEMA: ReasonNote(
        steps="ReadArchive, ReadQuarantine",
        meaning="An object of the archive, or of the quarantine, has a foreign Avro schema.",
        causes="A file of another job was put in its place.",
        remedy="Restore the object under its name.",
        releasable=False,
        release=_ANOTHER_REPLAY,
    ),
    Reason.OBJECT_WRONG_CODEC: ReasonNote(
        steps="ReadArchive",
        meaning="An object is compressed by another codec than its entry says.",
        causes="It was written anew by another tool.",
        remedy="Restore the object under its name.",
        releasable=False,
        release=_ANOTHER_REPLAY,
    ),
    Reason.OBJECT_DAMAGED: ReasonNote(
        steps="ReadArchive, ReadQuarantine",
        meaning="An object is cut or damaged: its digest or count is not that of its entry.",
        causes="A copy that was cut off, a flipped bit, an object that was changed.",
        remedy="Restore the object under its name.",
        releasable=False,
        release=_ANOTHER_REPLAY,
    ),
}


STEPS = frozenset(step for note in REASON_GUIDE.values() for step in note.steps.split(", "))
"""The steps of the suite that refuse."""


def note_text(reason: Reason) -> str:
    """Return what the guide says of a reason, as a few lines of plain text.

    >>> note_text(Reason.TOO_DEEP).splitlines()[0]
    'too_deep: Objects and arrays are nested more than 64 deep.'
    """
    note = REASON_GUIDE[reason]
    lines = (
        f"{reason.value}: {note.meaning}",
        f"  step     {note.steps}",
        f"  causes   {note.causes}",
        f"  remedy   {note.remedy}",
        f"  release  {'possible' if note.releasable else 'not possible'}. {note.release}",
    )
    return "\n".join(lines).replace("`", "")
