"""Calls the methods of a DoFn as an engine does: with state, timers, times and keys as they ask."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.core import DoFn
from apache_beam.transforms.userstate import (
    StateSpec,
    TimerSpec,
    get_dofn_specs,
    is_stateful_dofn,
)
from apache_beam.transforms.window import GlobalWindow, TimestampedValue
from apache_beam.utils.shared import Shared
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from transforms.counters import NAMESPACE

__all__ = ["Asked", "Held", "Live", "Output", "Tallies"]

_WINDOW = GlobalWindow()


class Output(NamedTuple):
    """What a DoFn gave out: the tag of the output (None: the main one), value and time."""

    tag: str | None
    value: Any
    time: int


class Held(Protocol):
    """What a bundle sees of one key."""

    key: Any

    def state(self, spec: StateSpec) -> Any:
        """Return the bag or the single value that is meant."""

    def timer(self, spec: TimerSpec, time: int) -> Any:
        """Return the timer; `time` is that of the element which may set it."""


class Tallies:
    """Takes the counts of Beam's metrics: it stands where an engine has its sampler."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def update_metric(self, typed_name: Any, value: Any) -> None:
        """Add to a counter of the suite; distributions are left out."""
        name = typed_name.metric_name
        if name.namespace == NAMESPACE and typed_name.cell_type.__name__ == "CounterCell":
            self.counts[name.name] = self.counts.get(name.name, 0) + value


class Asked:
    """What the methods of a DoFn ask for by their defaults; found once, since Beam takes its time.

    Args:
        fn: any copy of the DoFn.
    """

    def __init__(self, fn: beam.DoFn) -> None:
        self.process = _asked(fn.process)
        self.timers: dict[str, tuple[str, list[tuple[str, Any]]]] = {}
        if is_stateful_dofn(fn):
            for spec in get_dofn_specs(fn)[1]:
                name = spec._attached_callback.__name__
                self.timers[spec.name] = name, _asked(getattr(fn, name))


class Live:
    """A DoFn at work in one worker.

    Args:
        fn: the worker's own copy.
        asked: by its methods.
        args: what `process` gets beside the element.
        clock: the worker's, in seconds since the epoch.
    """

    def __init__(
        self, fn: beam.DoFn, asked: Asked, args: tuple[Any, ...], clock: Callable[[], float]
    ) -> None:
        self._fn, self._asked, self._args = fn, asked, args
        # Two workers are two processes: what is shared within one is not shared here.
        for name, value in list(vars(fn).items()):
            if isinstance(value, Shared):
                setattr(fn, name, Shared())
            elif name == "_clock":
                setattr(fn, name, clock)
        fn.setup()

    def start(self) -> None:
        """Begin a bundle."""
        self._fn.start_bundle()

    def process(self, value: Any, time: int, held: Held | None) -> Iterator[Output]:
        """Hand in one element."""
        given = _given(self._asked.process, time, held)
        return _outputs(self._fn.process(value, *self._args, **given), time)

    def fire(self, name: str, time: int, hold: int, held: Held) -> Iterator[Output]:
        """Call the method of a timer that was due at a time and holds the watermark at another."""
        method, asked = self._asked.timers[name]
        return _outputs(getattr(self._fn, method)(**_given(asked, time, held)), hold)

    def finish(self) -> Iterator[Output]:
        """End the bundle."""
        return _outputs(self._fn.finish_bundle(), 0)


def _asked(method: Callable[..., Any]) -> list[tuple[str, Any]]:
    parameters = inspect.signature(method).parameters.values()
    return [
        (each.name, each.default) for each in parameters if isinstance(each.default, _PARAMETERS)
    ]


_PARAMETERS = (type(DoFn.TimestampParam), DoFn.StateParam, DoFn.TimerParam)


def _given(asked: list[tuple[str, Any]], time: int, held: Held | None) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, parameter in asked:
        if isinstance(parameter, DoFn.StateParam):
            assert held is not None
            given[name] = held.state(parameter.state_spec)
        elif isinstance(parameter, DoFn.TimerParam):
            assert held is not None
            given[name] = held.timer(parameter.timer_spec, time)
        elif parameter is DoFn.TimestampParam:
            given[name] = Timestamp(micros=time)
        elif parameter is DoFn.KeyParam:
            assert held is not None
            given[name] = held.key
        elif parameter is DoFn.WindowParam:
            given[name] = _WINDOW
    return given


def _outputs(found: Iterable[Any] | None, time: int) -> Iterator[Output]:
    for value in found or ():
        tag = None
        if isinstance(value, TaggedOutput):
            tag, value = value.tag, value.value  # noqa: PLW2901 (what is inside of it)
        if isinstance(value, (TimestampedValue, WindowedValue)):
            yield Output(tag, value.value, value.timestamp.micros)
        else:
            yield Output(tag, value, time)
