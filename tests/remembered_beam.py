"""Has Beam remember what it would compute anew at each look, which is half of a small pipeline.

A pipeline of thirty steps asks for a view of its options 700 times, which builds a parser of
arguments each time, and inspects all methods of a DoFn at each mention. The answers depend on the
flags, the class or the code alone; what is remembered is handed out as a copy.
"""

import argparse
import sys
from contextlib import ExitStack
from types import MethodType
from typing import Any
from unittest import mock

_PLAIN = (str, int, float, bool, type(None))


def remembering() -> ExitStack:
    """Return a block in which Beam, which has been imported, remembers; closing it ends that."""
    from apache_beam.options.pipeline_options import PipelineOptions  # noqa: PLC0415
    from apache_beam.transforms import core, userstate  # noqa: PLC0415

    on = ExitStack()
    view = _views_made_once(PipelineOptions.view_as)
    on.enter_context(mock.patch.object(PipelineOptions, "view_as", view))
    specs = _specs_found_once(userstate.get_dofn_specs)
    on.enter_context(mock.patch.object(userstate, "get_dofn_specs", specs))
    arguments = _arguments_found_once(core.get_function_args_defaults)
    on.enter_context(mock.patch.object(core, "get_function_args_defaults", arguments))
    body = _source_read_once(core._get_function_body_without_inners)
    on.enter_context(mock.patch.object(core, "_get_function_body_without_inners", body))
    return on


def is_imported() -> bool:
    """Say whether this process has imported Beam."""
    return "apache_beam.pipeline" in sys.modules


def _views_made_once(look: Any) -> Any:
    known: dict[Any, dict[str, Any]] = {}

    def remembered(self: Any, kind: type) -> Any:
        flags = self._flags
        # Flags of the process are no constant, and a job's own options are to be parsed by itself.
        if not isinstance(flags, list | tuple) or not _is_of_beam(kind):
            return look(self, kind)
        key = (kind, tuple(flags))
        if key not in known:
            found = vars(kind(list(flags))._visible_options)
            if not all(map(_is_plain, found.values())):
                return look(self, kind)
            known[key] = {name: _copied(value) for name, value in found.items()}
        view = kind.__new__(kind)
        visible = {name: _copied(value) for name, value in known[key].items()}
        view._flags, view._visible_options = flags, argparse.Namespace(**visible)
        for name, value in visible.items():
            self._all_options.setdefault(name, value)
        view._all_options = self._all_options
        return view

    return remembered


def _is_of_beam(kind: type) -> bool:
    return kind.__module__.startswith("apache_beam.options.")


def _is_plain(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, _PLAIN) for item in items)


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _specs_found_once(find: Any) -> Any:
    known: dict[Any, tuple[set[Any], set[Any]]] = {}

    def remembered(dofn: Any) -> tuple[set[Any], set[Any]]:
        kind, own = type(dofn), vars(dofn)
        if kind.__getattribute__ is not object.__getattribute__ or any(
            isinstance(value, MethodType) for value in own.values()
        ):
            return find(dofn)  # type: ignore[no-any-return]
        key = (kind, frozenset(name for name in own if hasattr(kind, name)))
        if key not in known:
            known[key] = find(dofn)
        states, timers = known[key]
        return set(states), set(timers)

    return remembered


def _arguments_found_once(find: Any) -> Any:
    known: dict[Any, tuple[list[str], list[Any]]] = {}

    def remembered(function: Any) -> tuple[list[str], list[Any]]:
        # A method of an object is that of its class; other functions are made for each step.
        if not isinstance(function, MethodType):
            return find(function)  # type: ignore[no-any-return]
        if function.__func__ not in known:
            known[function.__func__] = find(function)
        names, defaults = known[function.__func__]
        return list(names), list(defaults)

    return remembered


def _source_read_once(read: Any) -> Any:
    known: dict[Any, str] = {}

    def remembered(function: Any) -> str:
        code = getattr(function, "__code__", None)
        if code is None or hasattr(function, "__wrapped__"):
            return str(read(function))
        if code not in known:
            known[code] = read(function)
        return known[code]

    return remembered
