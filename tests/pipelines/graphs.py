"""Spells out the graph of a pipeline: labels and coders, on which the update of a job depends."""

import apache_beam as beam
from apache_beam.portability import python_urns
from apache_beam.runners.pipeline_context import PipelineContext


def coder(proto, coder_id):
    """Spell a coder out: its kind, and those of its parts."""
    spec = proto.components.coders[coder_id]
    kind = spec.spec.urn
    if kind == python_urns.PICKLED_CODER:
        kind = str(beam.coders.Coder.from_runner_api(spec, _context(proto)))
    parts = [coder(proto, part) for part in spec.component_coder_ids]
    return f"{kind}({', '.join(parts)})" if parts else kind


def _context(proto):
    return PipelineContext(proto.components)


def steps(proto):
    """Yield (label, coders of its outputs) of every step that is not made of others."""
    components = proto.components
    for step in components.transforms.values():
        if not step.subtransforms and step.unique_name:
            outputs = [
                f"{tag}: {coder(proto, components.pcollections[found].coder_id)}"
                for tag, found in sorted(step.outputs.items())
            ]
            yield step.unique_name, outputs


def lines_of(proto):
    """Return a line for each step, sorted."""
    return sorted(f"{label} -> {'; '.join(outputs)}" for label, outputs in steps(proto))


def languages_of(proto):
    """Return the environments that the steps run in."""
    components = proto.components
    used = {step.environment_id for step in components.transforms.values() if step.environment_id}
    assert used <= set(components.environments)
    return set(components.environments)
