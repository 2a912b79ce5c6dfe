"""How Pub/Sub's messages are serialised, told to protobuf in forms that are quicker to read."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["parse_column_wise", "parse_entry", "parse_one_by_one"]

_PACKAGE = "penstock"
_FIELD = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _FIELD.LABEL_OPTIONAL, _FIELD.LABEL_REPEATED
_WHOLE, _TEXT, _BYTES = _FIELD.TYPE_INT64, _FIELD.TYPE_STRING, _FIELD.TYPE_BYTES


def _parsers() -> tuple[Any, Any, Any]:
    """Return what parses many messages in two ways, and what an entry of their attributes.

    Entries are left as they are by both: to take them out of a map of protobuf costs more than all
    the rest. Read column by column, a message has any number of each field, so that serialised
    messages one after another are one that has all their fields.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}/pubsub_message.proto", package=_PACKAGE, syntax="proto3"
    )
    _describe(file, "Time", _ONE, seconds=(1, _WHOLE), nanos=(2, _FIELD.TYPE_INT32))
    _describe(file, "Times", _MANY, seconds=(1, _WHOLE), nanos=(2, _WHOLE))
    _describe(file, "Entry", _ONE, key=(1, _TEXT), value=(2, _TEXT))
    fields = {"data": (1, _BYTES), "message_id": (3, _TEXT), "ordering_key": (5, _TEXT)}
    for name, label, time in (("Message", _ONE, "Time"), ("Columns", _MANY, "Times")):
        message = _describe(file, name, label, **fields)
        message.field.add(name="attributes", number=2, type=_BYTES, label=_MANY)
        # Of one that is there many times protobuf takes all fields together.
        _refer(message, "publish_time", 4, time, _ONE)
    _refer(file.message_type.add(name="Messages"), "messages", 1, "Message", _MANY)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    messages, columns, entry = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in ("Messages", "Columns", "Entry")
    )
    return messages.FromString, columns.FromString, entry.FromString


def _describe(file: Any, name: str, label: Any, **fields: tuple[int, Any]) -> Any:
    message = file.message_type.add(name=name)
    for field, (number, kind) in fields.items():
        message.field.add(name=field, number=number, type=kind, label=label)
    return message


def _refer(message: Any, name: str, number: int, kind: str, label: Any) -> None:
    message.field.add(
        name=name,
        number=number,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.{kind}",
        label=label,
    )


parse_one_by_one, parse_column_wise, parse_entry = _parsers()
