"""Reads a pipeline as a launch staged it: what of it the update of a running job depends on."""

from collections.abc import Iterator
from typing import Any

from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from google.protobuf.message import DecodeError

from console.graph_coders import Spelling, short_urn
from console.graph_form import Graph, Place, Step
from schemas.layouts import layout_shown

__all__ = ["captured"]

_PARDO = common_urns.primitives.PAR_DO.urn
_SHUFFLES = {
    common_urns.primitives.GROUP_BY_KEY.urn,
    common_urns.composites.RESHUFFLE.urn,
    common_urns.composites.REDISTRIBUTE_BY_KEY.urn,
    common_urns.composites.REDISTRIBUTE_ARBITRARILY.urn,
}
_LABELLED = common_urns.StandardDisplayData.DisplayData.LABELLED.urn
_WINDOW = common_urns.primitives.ASSIGN_WINDOWS.urn
_READS = {"beam:transform:pubsub_read:v1", common_urns.deprecated_primitives.READ.urn}
# Made of others, but what its partial results are written by stands nowhere else.
_COMBINES = {
    common_urns.composites.COMBINE_PER_KEY.urn,
    common_urns.composites.COMBINE_GLOBALLY.urn,
}
_MAIN = "None"
# What steps tell of themselves that the state depends on, and no coder shows.
_SETTINGS = {"shards", "horizon"}
_NO_GRAPH = "no graph: neither a pipeline.pb nor a file of penstock graph save"


def captured(data: bytes) -> Graph:
    """Read the graph of a pipeline from its bytes, as they are staged.

    Raises:
        ValueError: one line, where it is no pipeline, or one whose parts are missing.
    """
    try:
        pipeline = beam_runner_api_pb2.Pipeline.FromString(data)
    except DecodeError:
        raise ValueError(_NO_GRAPH) from None
    if not pipeline.components.transforms:
        raise ValueError(_NO_GRAPH)
    try:
        return _Capture(pipeline.components).graph()
    except (KeyError, ValueError, DecodeError, RecursionError) as error:
        msg = f"a damaged pipeline ({type(error).__name__}: {error}); take its pipeline.pb anew"
        raise ValueError(msg) from None


class _Capture:
    def __init__(self, components: beam_runner_api_pb2.Components) -> None:
        self._components = components
        self._spelling = Spelling(components)
        self._made_by = {
            collection: Place(step.unique_name, "" if output == _MAIN else output)
            for step in self._primitives()
            for output, collection in step.outputs.items()
        }

    def graph(self) -> Graph:
        steps = [self._step(each) for each in self._primitives()]
        steps += [self._step(each) for each in self._combines()]
        found = {step.label: step for step in steps}
        if len(found) < len(steps):
            msg = "two steps have one label"
            raise ValueError(msg)
        return Graph(found, dict(self._structs()))

    def _structs(self) -> Iterator[tuple[str, list[str]]]:
        for step in self._primitives():
            for told in _shown(step):
                fields = layout_shown(told.key, told.string_value)
                if fields:
                    yield fields

    def _primitives(self) -> Iterator[beam_runner_api_pb2.PTransform]:
        for step in self._components.transforms.values():
            # What hands on what it is given does nothing.
            is_nothing = set(step.outputs.values()) <= set(step.inputs.values()) and step.outputs
            if step.unique_name and not step.subtransforms and not is_nothing:
                yield step

    def _combines(self) -> Iterator[beam_runner_api_pb2.PTransform]:
        for step in self._components.transforms.values():
            if step.subtransforms and step.spec.urn in _COMBINES:
                yield step

    def _step(self, step: beam_runner_api_pb2.PTransform) -> Step:
        inputs = {self._made_by[each] for each in step.inputs.values()}
        kind = short_urn(step.spec.urn)
        return Step(step.unique_name, kind, tuple(sorted(inputs)), self._holds(step))

    def _holds(self, step: beam_runner_api_pb2.PTransform) -> dict[str, Any]:
        urn = step.spec.urn
        if urn == _PARDO:
            return self._of_pardo(step)
        if urn in _SHUFFLES:
            return self._of_group(_only(step.inputs))
        if urn == _WINDOW:
            return {"windowing": self._spelling.windowing(_only(step.outputs))}
        if urn in _READS:
            return {"element": self._element(_only(step.outputs)), **_of_read(step)}
        if urn in _COMBINES:
            payload = beam_runner_api_pb2.CombinePayload.FromString(step.spec.payload)
            return {"accumulator": self._spelling.coder(payload.accumulator_coder_id)}
        return {}

    def _of_group(self, collection: str) -> dict[str, Any]:
        key, value = self._spelling.parts(self._spelling.coder_of(collection))
        return {"key": key, "value": value, "windowing": self._spelling.windowing(collection)}

    def _of_pardo(self, step: beam_runner_api_pb2.PTransform) -> dict[str, Any]:
        payload = beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload)
        has_state = bool(payload.state_specs or payload.timer_family_specs)
        told = dict(_settings(step))
        if not (has_state or payload.restriction_coder_id or payload.side_inputs):
            return told
        # The names that are left belong to what is read at the side.
        main = _only({k: v for k, v in step.inputs.items() if k not in payload.side_inputs})
        holds = (
            self._of_group(main)
            if has_state
            else {"element": self._element(main), "windowing": self._spelling.windowing(main)}
        ) | told
        if payload.state_specs:
            states = sorted(payload.state_specs.items())
            holds["states"] = {name: self._state(spec) for name, spec in states}
        if payload.timer_family_specs:
            timers = sorted(payload.timer_family_specs.items())
            holds["timers"] = {name: self._timer(spec) for name, spec in timers}
        if payload.restriction_coder_id:
            holds["restriction"] = self._spelling.coder(payload.restriction_coder_id)
        if payload.side_inputs:
            sides = sorted(payload.side_inputs.items())
            holds["side_inputs"] = {name: self._side(step.inputs[name], s) for name, s in sides}
        return holds

    def _element(self, collection: str) -> str:
        return self._spelling.coder(self._spelling.coder_of(collection))

    def _state(self, spec: beam_runner_api_pb2.StateSpec) -> dict[str, str]:
        kind = spec.WhichOneof("spec")
        told = getattr(spec, kind)
        coders = {
            field.name.removesuffix("_id"): self._spelling.coder(value)
            for field, value in told.ListFields()
            if field.name.endswith("coder_id")
        }
        return {"kind": kind.removesuffix("_spec"), **coders}

    def _timer(self, spec: beam_runner_api_pb2.TimerFamilySpec) -> dict[str, str]:
        domain = beam_runner_api_pb2.TimeDomain.Enum.Name(spec.time_domain).lower()
        return {"domain": domain, "coder": self._spelling.coder(spec.timer_family_coder_id)}

    def _side(self, collection: str, side: beam_runner_api_pb2.SideInput) -> dict[str, Any]:
        return {
            "access": side.access_pattern.urn,
            "element": self._element(collection),
            "windowing": self._spelling.windowing(collection),
        }


def _only(collections: Any) -> str:
    (found,) = collections.values()
    return str(found)


def _shown(step: beam_runner_api_pb2.PTransform) -> Iterator[beam_runner_api_pb2.LabelledPayload]:
    for shown in step.display_data:
        if shown.urn == _LABELLED:
            yield beam_runner_api_pb2.LabelledPayload.FromString(shown.payload)


def _settings(step: beam_runner_api_pb2.PTransform) -> Iterator[tuple[str, int]]:
    """Yield the settings that a step shows among its display data."""
    for told in _shown(step):
        if told.key in _SETTINGS and told.WhichOneof("value") == "int_value":
            yield told.key, told.int_value


def _of_read(step: beam_runner_api_pb2.PTransform) -> dict[str, Any]:
    """Tell which attributes a subscription's messages are told apart and dated by."""
    if step.spec.urn not in _READS or "pubsub" not in step.spec.urn:
        return {}
    payload = beam_runner_api_pb2.PubSubReadPayload.FromString(step.spec.payload)
    told = {"id": payload.id_attribute, "timestamp": payload.timestamp_attribute}
    return {name: value for name, value in told.items() if value}
