"""Whether a job can take over from a running one: two captured graphs compared."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from console.graph_form import Graph, Step, graph_from_json
from console.graph_match import is_kept, matched
from schemas.layouts import DEFAULT

__all__ = ["Comparison", "Graph", "Verdict", "compare", "graph_of"]

Verdict = Literal["compatible", "needs mapping", "incompatible"]

_REMEDY = "drain the job and start anew"


@dataclass(frozen=True)
class Comparison:
    """What came of comparing two graphs.

    Args:
        verdict: whether Dataflow can update the job of the old graph to that of the new one.
        mapping: old labels to new ones, for `--transform_name_mapping`; only with "needs mapping".
        reasons: why it is incompatible, each a line with the remedy; else empty.
        notes: what else differs and hinders nothing, each a line.
    """

    verdict: Verdict
    mapping: dict[str, str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def graph_of(data: bytes) -> Graph:
    """Read a graph: a pipeline as a launch staged it (`pipeline.pb`), or a file of `graph save`.

    Raises:
        ValueError: one line, where it is neither.
    """
    if data.startswith(b"{"):
        return graph_from_json(data)
    # By the call: Beam takes seconds to import, and files need none of it.
    from console.graph_capture import captured  # noqa: PLC0415

    return captured(data)


def compare(old: Graph, new: Graph) -> Comparison:
    """Compare the graph of a running job with that of the one that is to take over.

    Each step that keeps something has to be there with the same content, under its label or under
    another one by which it can be told. What keeps nothing may change, come and go.
    """
    found = matched(old, new)
    reasons = [*_reasons(old, new, found), *_of_structs(old, new)]
    moved = {label: to for label, to in sorted(found.items()) if label != to}
    notes = [*_notes(old, new, found)]
    if reasons:
        return Comparison("incompatible", reasons=reasons, notes=notes)
    return Comparison("needs mapping" if moved else "compatible", moved, notes=notes)


def _reasons(old: Graph, new: Graph, found: dict[str, str]) -> Iterator[str]:
    taken = set(found.values())
    free = [step for label, step in sorted(new.steps.items()) if label not in taken]
    for label, step in sorted(old.steps.items()):
        if label in found:
            continue
        now = new.steps.get(label)
        if now is not None and label not in taken:
            if is_kept(step) or is_kept(now):
                changes = "; ".join(_changes(step, now)) or "is another one"
                yield f"{label}: {changes}: {_REMEDY}"
        elif is_kept(step):
            alike = [each.label for each in free if each.content == step.content]
            yield f"{label}: {_gone(step, alike)}"


def _gone(step: Step, alike: list[str]) -> str:
    if alike:
        return (
            f"is gone, and whether it is {' or '.join(alike)} now cannot be told: give it its label"
            f" back, or {_REMEDY}"
        )
    what = ", ".join(step.holds)
    return f"is gone with what it keeps ({what}): put it back, or {_REMEDY}"


def _changes(before: Step, after: Step) -> Iterator[str]:
    if before.kind != after.kind:
        yield f"was {before.kind}, is {after.kind}"
    yield from _differences("", before.holds, after.holds)


def _differences(path: str, before: Any, after: Any) -> Iterator[str]:
    """Yield what differs, as deep as both have names for it."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            inside = f"{path} {name}".lstrip()
            yield from _differences(inside, before.get(name), after.get(name))
    else:
        yield f"{path} was {_shown(before)}, is {_shown(after)}"


def _shown(value: Any) -> str:
    if value is None:
        return "not there"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _of_structs(old: Graph, new: Graph) -> Iterator[str]:
    """Yield which records could not be read: fields are in order, and may be added at the end."""
    heirs = [new.structs[name] for name in new.structs.keys() - old.structs.keys()]
    for name, before in sorted(old.structs.items()):
        after = new.structs.get(name)
        if after is not None and not _is_readable(before, after):
            yield (
                f"{name}: fields were {', '.join(before)}, are {', '.join(after)}; add some at the"
                f" end only, with defaults, or {_REMEDY}"
            )
        # A pipeline of an older release shows none.
        if after is None and new.structs and not any(_is_readable(before, each) for each in heirs):
            yield f"{name}: is gone with its fields {', '.join(before)}: put it back, or {_REMEDY}"


def _is_readable(before: list[str], after: list[str]) -> bool:
    plain = [each.removesuffix(DEFAULT) for each in after[: len(before)]]
    stays = plain == [each.removesuffix(DEFAULT) for each in before]
    return stays and all(each.endswith(DEFAULT) for each in after[len(before) :])


def _notes(old: Graph, new: Graph, found: dict[str, str]) -> Iterator[str]:
    for label, step in sorted(old.steps.items()):
        if not is_kept(step) and label not in found and label not in new.steps:
            yield f"{label}: is gone; it kept nothing"
    for label in sorted(new.steps.keys() - set(found.values()) - old.steps.keys()):
        yield f"{label}: is new"
