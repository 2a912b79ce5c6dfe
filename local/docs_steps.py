"""The steps of a pipeline as a reader sees them: those its job names, and what flows between."""

from typing import NamedTuple

import apache_beam as beam
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.pvalue import PCollection

from schemas.late import LateEvent
from schemas.rejected import Rejected

__all__ = ["Flow", "Steps", "steps_of"]

_ASIDE = {Rejected: "refused", LateEvent: "late"}


class Flow(NamedTuple):
    """What one step hands to another; `kind` is refused, late or usual."""

    giver: str
    taker: str
    kind: str


class Steps(NamedTuple):
    """The names of the steps and the flows, both in the order in which the pipeline was built."""

    names: tuple[str, ...]
    flows: tuple[Flow, ...]


def steps_of(pipeline: beam.Pipeline) -> Steps:
    """Return the outermost steps of a pipeline, whatever they are made of."""
    found = _Steps()
    pipeline.visit(found)
    flows = [
        Flow(found.giver[each], taker, _ASIDE.get(each.element_type, "usual"))
        for each, taker in found.taken
        if found.giver[each] != taker
    ]
    return Steps(tuple(found.names), tuple(dict.fromkeys(flows)))


class _Steps(PipelineVisitor):
    """Notes for each collection which outermost step makes it, and which ones take it."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.giver: dict[PCollection, str] = {}
        self.taken: list[tuple[PCollection, str]] = []

    def visit_transform(self, transform_node: AppliedPTransform) -> None:
        name = transform_node.full_label.partition("/")[0]
        self.names[name] = None
        beside = [each.pvalue for each in transform_node.side_inputs]
        takes = [
            each for each in (*transform_node.inputs, *beside) if isinstance(each, PCollection)
        ]
        self.taken += [(each, name) for each in takes]
        self.giver |= dict.fromkeys(transform_node.outputs.values(), name)
