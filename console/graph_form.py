"""The form in which a captured graph is kept: what the update of a running job depends on.

It is JSON, steps by label, few things a line, so that a change can be read in a diff of files.
"""

import json
from functools import cached_property
from typing import Any

import msgspec

__all__ = ["Graph", "Place", "Step", "graph_from_json", "json_of"]

FORM = "penstock graph"
VERSION = 1
_WIDTH = 80


class Place(
    msgspec.Struct, frozen=True, order=True, omit_defaults=True, forbid_unknown_fields=True
):
    """An output of a step; `output` is "" for the one that it has by default."""

    step: str
    output: str = ""


class Step(msgspec.Struct, frozen=True, dict=True, omit_defaults=True, forbid_unknown_fields=True):
    """A step that is made of no others, by its full label.

    Args:
        kind: what the engine is asked to do, by Beam's name of it.
        inputs: where its elements come from.
        holds: what is kept of it between bundles, which the job after it takes over: coders,
            state, timers, side inputs, windowing. Empty for a step that keeps nothing.
    """

    label: str
    kind: str
    inputs: tuple[Place, ...] = ()
    holds: dict[str, Any] = {}

    @cached_property
    def content(self) -> str:
        """What it is, whatever it is called: equal for equal steps."""
        return json.dumps([self.kind, self.holds], sort_keys=True)


class Graph(msgspec.Struct, frozen=True):
    """The steps of a pipeline by their labels.

    Args:
        steps: by their labels.
        structs: fields of the records that are kept, by class, as `schemas.layouts` has them.
            Empty where they are not known.
    """

    steps: dict[str, Step]
    structs: dict[str, list[str]] = {}


class _File(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    form: str
    version: int
    steps: list[Step]
    structs: dict[str, list[str]] = {}


class _Head(msgspec.Struct):
    form: str = ""
    version: int = 0


def json_of(graph: Graph) -> str:
    """Write a graph: the same bytes for equal graphs."""
    steps = [graph.steps[label] for label in sorted(graph.steps)]
    structs = dict(sorted(graph.structs.items()))
    return _laid_out(msgspec.to_builtins(_File(FORM, VERSION, steps, structs))) + "\n"


def _laid_out(value: Any, margin: str = "") -> str:
    """Write JSON, on one line what fits there."""
    line = json.dumps(value)
    if len(margin) + len(line) <= _WIDTH or not value or not isinstance(value, dict | list):
        return line
    inner = f"{margin}  "
    if isinstance(value, list):
        items = [_laid_out(each, inner) for each in value]
        return f"[\n{inner}" + f",\n{inner}".join(items) + f"\n{margin}]"
    pairs = [f"{json.dumps(name)}: {_laid_out(each, inner)}" for name, each in value.items()]
    return f"{{\n{inner}" + f",\n{inner}".join(pairs) + f"\n{margin}}}"


def graph_from_json(data: bytes) -> Graph:
    """Read what `json_of` wrote.

    Raises:
        ValueError: one line, where it is not that, or is of another version.
    """
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.DecodeError, RecursionError):
        msg = "no graph: neither a pipeline.pb nor a file of penstock graph save"
        raise ValueError(msg) from None
    if head.form != FORM:
        msg = "JSON, but no graph; penstock graph save writes one from a pipeline.pb"
        raise ValueError(msg)
    if head.version != VERSION:
        msg = (
            f"a graph of version {head.version}, where this release reads {VERSION}; "
            "save it anew from its pipeline.pb"
        )
        raise ValueError(msg)
    return _checked(data)


def _checked(data: bytes) -> Graph:
    try:
        file = msgspec.json.decode(data, type=_File)
        graph = Graph({step.label: step for step in file.steps}, file.structs)
        # What is nested without end can be read, but not be written or compared.
        json_of(graph)
    except msgspec.DecodeError as error:
        msg = f"a damaged graph ({error}); save it anew from its pipeline.pb"
        raise ValueError(msg) from None
    except RecursionError:
        msg = "a damaged graph, which is nested too deep; save it anew from its pipeline.pb"
        raise ValueError(msg) from None
    if len(graph.steps) < len(file.steps):
        msg = "a damaged graph, which has two steps of one label; save it anew"
        raise ValueError(msg)
    missing = {place.step for step in file.steps for place in step.inputs} - graph.steps.keys()
    if missing:
        msg = f"a damaged graph, which has no step {min(missing)}, but reads it; save it anew"
        raise ValueError(msg)
    return graph
