"""Spells coders and windowings of a pipeline out, so that equal ones are equal texts."""

import base64
import bz2
import hashlib
import json
import re
import zlib
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2, schema_pb2, standard_window_fns_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from google.protobuf.wrappers_pb2 import BytesValue

from console.graph_pickles import UnreadableError, spelled_out

__all__ = ["Spelling", "short_urn"]

_LARGEST = 1 << 20
_LONGEST = 2_000
_DEEPEST = 60
_STANDARD = re.compile(r"beam:(?:coder|window_fn|transform):(\w+):v1")
_ROW = "beam:coder:row:v1"
_WINDOWS: dict[str, type[Message]] = {
    "beam:window_fn:fixed_windows:v1": standard_window_fns_pb2.FixedWindowsPayload,
    "beam:window_fn:sliding_windows:v1": standard_window_fns_pb2.SlidingWindowsPayload,
    "beam:window_fn:session_windows:v1": standard_window_fns_pb2.SessionWindowsPayload,
}


class Spelling:
    """Spells out what the components of a pipeline are; one that is not there is a KeyError."""

    def __init__(self, components: beam_runner_api_pb2.Components) -> None:
        self._components = components
        self._coders: dict[str, str] = {}

    def coder(self, coder_id: str, depth: int = 0) -> str:
        """Spell out a coder with its parts."""
        if coder_id not in self._coders:
            if depth > _DEEPEST:
                raise RecursionError
            self._coders[coder_id] = _shortened(self._spelled(coder_id, depth))
        return self._coders[coder_id]

    def _spelled(self, coder_id: str, depth: int) -> str:
        coder = _found(self._components.coders, coder_id)
        parts = [self.coder(each, depth + 1) for each in coder.component_coder_ids]
        told = _content(coder.spec)
        if parts and told.endswith(")"):
            return f"{told}[{', '.join(parts)}]"
        return f"{told}({', '.join(parts)})" if parts else told

    def parts(self, coder_id: str) -> tuple[str, str]:
        """Spell out the coders of key and value; of anything but a pair the second is empty."""
        coder = _found(self._components.coders, coder_id)
        if coder.spec.urn == "beam:coder:kv:v1":
            key, value = coder.component_coder_ids
            return self.coder(key), self.coder(value)
        return self.coder(coder_id), ""

    def windowing(self, collection_id: str) -> dict[str, Any]:
        """Spell out how the elements of a collection are windowed."""
        collection = _found(self._components.pcollections, collection_id)
        found = _found(self._components.windowing_strategies, collection.windowing_strategy_id)
        told = {
            "windows": _content(found.window_fn),
            "coder": self.coder(found.window_coder_id),
            "trigger": _trigger(found.trigger),
            "accumulation": _plain(found, "accumulation_mode"),
            "allowed_lateness_ms": found.allowed_lateness,
            "output_time": _plain(found, "output_time"),
            "closing": _plain(found, "closing_behavior"),
            "on_time": _plain(found, "on_time_behavior"),
        }
        merging = _plain(found, "merge_status")
        return told if merging == "non_merging" else {**told, "merging": merging}

    def coder_of(self, collection_id: str) -> str:
        """Return the id of a collection's coder."""
        return str(_found(self._components.pcollections, collection_id).coder_id)


def short_urn(urn: str) -> str:
    """Shorten the name of what is Beam's own and in its first version.

    >>> short_urn("beam:coder:kv:v1"), short_urn("beam:coders:javasdk:0.1")
    ('kv', 'beam:coders:javasdk:0.1')
    """
    standard = _STANDARD.fullmatch(urn)
    return standard[1] if standard else urn


def _found(parts: Any, name: str) -> Any:
    # A map of protobuf makes what it does not have.
    if name not in parts:
        raise KeyError(name)
    return parts[name]


def _content(spec: beam_runner_api_pb2.FunctionSpec) -> str:
    urn, payload = spec.urn, spec.payload
    if urn in (python_urns.PICKLED_CODER, python_urns.PICKLED_WINDOWFN):
        return _pickled(payload)
    if urn == _ROW:
        return f"{short_urn(urn)}({_row(payload)})"
    if urn in _WINDOWS:
        return f"{short_urn(urn)}({_message(_WINDOWS[urn].FromString(payload))})"
    return f"{short_urn(urn)}#{_digest(payload)}" if payload else short_urn(urn)


def _pickled(payload: bytes) -> str:
    """Spell out a pickled coder or windowing without unpickling it; else its class and a digest."""
    try:
        content = BytesValue.FromString(payload).value
    except DecodeError:
        content = payload
    # A coder has its class before it, in the clear.
    name, _, packed = content.rpartition(b"$")
    try:
        return spelled_out(_unpacked(packed))
    except UnreadableError:
        return f"{name.decode(errors='replace') or 'pickle'}#{_digest(content)}"


def _unpacked(packed: bytes) -> bytes:
    for unpacking in (zlib.decompressobj(), bz2.BZ2Decompressor()):
        try:
            pickled = unpacking.decompress(base64.b64decode(packed), _LARGEST)
        except (zlib.error, OSError, ValueError):
            continue
        if unpacking.eof:
            return pickled
    raise UnreadableError


def _row(payload: bytes) -> str:
    schema = schema_pb2.Schema.FromString(payload)
    _forget_ids(schema)
    return _message(schema)


def _forget_ids(message: Message) -> None:
    """Take out the ids of schemas, which each process draws anew."""
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        each = field.label == field.LABEL_REPEATED
        for inner in value if each else [value]:
            if isinstance(inner, Message):
                _forget_ids(inner)
    if isinstance(message, schema_pb2.Schema):
        message.ClearField("id")


def _trigger(trigger: beam_runner_api_pb2.Trigger) -> Any:
    plain = MessageToDict(trigger, preserving_proto_field_name=True)
    # One that has nothing to be told of is its name.
    ((name, told),) = plain.items() or (("none", {}),)
    return {name: told} if told else name


def _plain(message: Message, field: str) -> str:
    """Return the name of one of a few values."""
    number = getattr(message, field)
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return values[number].name.lower() if number in values else str(number)


def _message(message: Message) -> str:
    plain = MessageToDict(message, preserving_proto_field_name=True)
    return ", ".join(f"{name}={json.dumps(plain[name], sort_keys=True)}" for name in sorted(plain))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:80]}#{_digest(text.encode())}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
