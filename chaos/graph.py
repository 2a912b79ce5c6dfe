"""The steps of a job as its own `build` puts them together, in a form that can be run by hand.

Fused runs of steps end where an engine has to shuffle: before a step with state, a grouping and a
reshuffle. There, and at the source, is what a bundle begins with.
"""

import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import PipelineVisitor
from apache_beam.runners.runner import PipelineRunner
from apache_beam.transforms.core import CallableWrapperDoFn
from apache_beam.transforms.userstate import is_stateful_dofn

from chaos.calls import Asked
from transforms.log_repairs import LogRepairedSpan
from transforms.read_messages import ReadMessages
from transforms.supersede_windows import SupersedeWindows

__all__ = ["Graph", "Step", "graph_of"]

_Kind = Literal["source", "values", "do", "group", "shuffle"]
_WARM = ("Decode/", "Extract/")
# What stands for the outside, or is a shuffle of Beam's own making, is one step.
# Records of a run that is over wait for all of an output as a side input, which nothing here has.
_LEFT_OUT = (SupersedeWindows, LogRepairedSpan)
_WHOLE = (ReadMessages, beam.Reshuffle, beam.Create, *_LEFT_OUT)
_KINDS: dict[_Kind, tuple[type, ...]] = {
    "source": (ReadMessages,),
    "values": (beam.Create, beam.Impulse, *_LEFT_OUT),
    "shuffle": (beam.Reshuffle,),
    "group": (beam.GroupByKey,),
}


@dataclass
class Step:
    """One step.

    Args:
        number: its place, after all whose outputs it takes.
        label: as in the job.
        kind: `source` is fed from outside, `values` begins a bounded input, `do` has a DoFn.
        stateful: whether the DoFn has state, by key.
        made: the DoFn as bytes, or what makes it where it cannot be copied.
        asked: what its methods ask for.
        args: what its `process` gets beside the element.
        values: what a step of this kind begins with.
        outputs: the numbers of the steps that take each output, by tag; None is the main one.
    """

    number: int
    label: str
    kind: _Kind
    stateful: bool = False
    made: Callable[[], beam.DoFn] | None = None
    asked: Asked | None = None
    args: tuple[Any, ...] = ()
    values: tuple[Any, ...] = ()
    outputs: dict[str | None, list[int]] = field(default_factory=dict)

    @property
    def is_warm(self) -> bool:
        """Whether the DoFn is dear to make, and begins every bundle with nothing in memory."""
        return self.label.startswith(_WARM)

    @property
    def is_root(self) -> bool:
        """Whether a bundle can begin here."""
        return self.kind != "do" or self.stateful


@dataclass
class Graph:
    """The steps of a job, by number, and for each root the roots before it."""

    steps: list[Step]
    before: dict[int, list[int]]

    @property
    def source(self) -> int | None:
        """The number of the step that is fed from outside."""
        return next((step.number for step in self.steps if step.kind == "source"), None)


class _Visitor(PipelineVisitor):
    """Collects what is to be run, without what is inside of a step that is taken whole."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self._inside: Any = None

    def enter_composite_transform(self, node: Any) -> None:
        if self._inside is None and isinstance(node.transform, _WHOLE):
            self._inside = node
            self.nodes.append(node)

    def leave_composite_transform(self, node: Any) -> None:
        if node is self._inside:
            self._inside = None

    def visit_transform(self, node: Any) -> None:
        if self._inside is None:
            self.nodes.append(node)


def graph_of(build: Callable[[beam.Pipeline], None]) -> Graph:
    """Return the steps that a job's `build` adds to a pipeline."""
    pipeline = beam.Pipeline(runner=PipelineRunner(), options=PipelineOptions([]))
    build(pipeline)
    visitor = _Visitor()
    pipeline.visit(visitor)
    kept = [node for node in visitor.nodes if not _is_passed_through(node)]
    steps = [_step(number, node) for number, node in enumerate(kept)]
    for step, node in zip(steps, kept, strict=True):
        for tag, collection in node.outputs.items():
            step.outputs[None if tag in (None, "None") else str(tag)] = sorted(
                _takers(collection, visitor.nodes, kept)
            )
    return Graph(steps, _before(steps))


def _is_passed_through(node: Any) -> bool:
    # Everything is in the global window, and packs are flattened by being handed to both.
    return isinstance(node.transform, (beam.Flatten, beam.WindowInto))


def _takers(collection: Any, nodes: Sequence[Any], kept: Sequence[Any]) -> Iterable[int]:
    for node in nodes:
        if collection not in node.inputs:
            continue
        if _is_passed_through(node):
            for output in node.outputs.values():
                yield from _takers(output, nodes, kept)
        elif not isinstance(node.transform, _LEFT_OUT):
            yield next(number for number, other in enumerate(kept) if other is node)


def _step(number: int, node: Any) -> Step:
    transform, label = node.transform, node.full_label
    for kind, kinds in _KINDS.items():
        if isinstance(transform, kinds):
            return Step(number, label, kind, values=_values(transform))
    if not isinstance(transform, beam.ParDo) or transform.side_inputs:
        msg = f"{label}: a {type(transform).__name__} cannot be run here"
        raise TypeError(msg)
    fn = transform.fn
    made, args = _maker(fn), tuple(transform.args)
    return Step(number, label, "do", is_stateful_dofn(fn), made, Asked(fn), args)


def _values(transform: Any) -> tuple[Any, ...]:
    if isinstance(transform, beam.Create):
        return tuple(transform.values)
    return (b"",) if isinstance(transform, beam.Impulse) else ()


def _maker(fn: beam.DoFn) -> Callable[[], beam.DoFn]:
    """Return what makes the DoFn that a worker gets: a copy, as of one that was sent there."""
    if isinstance(fn, CallableWrapperDoFn):
        return lambda: fn
    frozen = pickle.dumps(fn)
    return lambda: pickle.loads(frozen)  # noqa: S301 (it was written two lines above)


def _before(steps: Sequence[Step]) -> dict[int, list[int]]:
    before: dict[int, set[int]] = {step.number: set() for step in steps if step.is_root}
    for step in steps:
        if step.is_root:
            for number in _roots_after(steps, step.number):
                before[number].add(step.number)
    return {number: sorted(found) for number, found in before.items()}


def _roots_after(steps: Sequence[Step], number: int) -> set[int]:
    found: set[int] = set()
    for takers in steps[number].outputs.values():
        for taker in takers:
            found |= {taker} if steps[taker].is_root else _roots_after(steps, taker)
    return found
