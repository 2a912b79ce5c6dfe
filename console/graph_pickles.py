"""Tells what a pickled object is without unpickling it: a graph may come from anyone.

The program that a pickle is gets followed on paper: what it would call is written down, not called.
"""

import hashlib
import json
import pickletools
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["UnreadableError", "spelled_out"]

_SHORT = "apache_beam.coders.coders."
_MOST_NODES = 20_000
_LONGEST = 80
_CLASSES = ("_make_skeleton_class", "_make_skeleton_enum")
# What a coder says in an error is no part of what it writes, and moves with the labels.
_NOT_CONTENT = {"_step_label"}


class UnreadableError(Exception):
    """Bytes that are no pickle, or one that needs more than is followed here."""


def spelled_out(pickled: bytes) -> str:
    """Spell out what a pickle would make: classes by their names, with all they are made from.

    Equal objects are equal texts, whatever the order of a hash or the identity of a string was when
    they were pickled.

    >>> import fractions, pickle
    >>> spelled_out(pickle.dumps({"half": fractions.Fraction(1, 2)}))
    '{"half": fractions.Fraction(1, 2)}'

    Raises:
        UnreadableError: where it cannot be told.
    """
    try:
        return _Text().of(_Paper().made(pickled))
    except (RecursionError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(type(error).__name__) from None


class _Name(str):
    """A class or function that a pickle names."""


class _Made:
    """What a call would give, and what would be put into it later."""

    def __init__(self, called: Any, arguments: Any, named: Any = None) -> None:
        self.called, self.arguments, self.named = called, arguments, named
        self.state: list[Any] = []
        self.items: list[Any] = []
        self.pairs: list[tuple[Any, Any]] = []


class _Pairs:
    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = pairs


class _Set:
    def __init__(self, items: list[Any]) -> None:
        self.items = items


class _Paper:
    """Follows the program of a pickle, with names in place of what they stand for."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def made(self, pickled: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(pickled):
            name = opcode.name
            if name == "STOP":
                return self.stack.pop()
            self._step(name, argument)
        raise UnreadableError

    def _step(self, name: str, argument: Any) -> None:
        pop = self.stack.pop
        if name in _ATOMS:
            self.stack.append(_ATOMS[name]() if argument is None else argument)
        elif name in _FROM_TOP:
            count = _COUNTS.get(name, 1)
            taken = self.stack[len(self.stack) - count :]
            del self.stack[len(self.stack) - count :]
            self.stack.append(_FROM_TOP[name](*taken))
        elif name in _FROM_MARK:
            items = self._since_mark()
            self.stack.append(_FROM_MARK[name](items))
        elif name in ("APPENDS", "ADDITEMS", "SETITEMS"):
            items = self._since_mark()
            self._put_in(items, name == "SETITEMS")
        elif name == "APPEND":
            self._put_in([pop()], False)
        elif name == "SETITEM":
            value, key = pop(), pop()
            self._put_in([key, value], True)
        elif name == "BUILD":
            state = pop()
            self.stack[-1].state.append(state)
        elif name == "GLOBAL":
            self.stack.append(_Name(argument.replace(" ", ".")))
        else:
            self._arrange(name, argument)

    def _arrange(self, name: str, argument: Any) -> None:
        if name in ("PROTO", "FRAME"):
            return
        if name == "MARK":
            self.marked.append(self.stack)
            self.stack = []
        elif name == "POP":
            self.stack.pop()
        elif name == "POP_MARK":
            self._since_mark()
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[int(argument)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[int(argument)])
        else:
            raise UnreadableError(name)

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marked.pop()
        return items

    def _put_in(self, items: list[Any], are_pairs: bool) -> None:
        into = self.stack[-1]
        if are_pairs:
            into.pairs.extend(zip(items[::2], items[1::2], strict=True))
        else:
            (into if isinstance(into, list) else into.items).extend(items)


def _named(module: str, name: str) -> _Name:
    return _Name(f"{module}.{name}")


_ATOMS: dict[str, Callable[[], Any]] = {
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), int),
    **dict.fromkeys(("FLOAT", "BINFLOAT"), float),
    **dict.fromkeys(("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), str),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), str),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), bytes),
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": lambda: _Pairs([]),
    "EMPTY_SET": lambda: _Set([]),
}
_FROM_TOP: dict[str, Callable[..., Any]] = {
    "TUPLE1": lambda *items: items,
    "TUPLE2": lambda *items: items,
    "TUPLE3": lambda *items: items,
    "STACK_GLOBAL": _named,
    "REDUCE": _Made,
    "NEWOBJ": _Made,
    "NEWOBJ_EX": _Made,
}
_COUNTS = {"TUPLE2": 2, "TUPLE3": 3, "STACK_GLOBAL": 2, "REDUCE": 2, "NEWOBJ": 2, "NEWOBJ_EX": 3}
_FROM_MARK: dict[str, Callable[[list[Any]], Any]] = {
    "TUPLE": tuple,
    "LIST": list,
    "DICT": lambda items: _Pairs(list(zip(items[::2], items[1::2], strict=True))),
    "FROZENSET": _Set,
}


class _Text:
    """Writes down what was found, so far as it is not without end."""

    def __init__(self) -> None:
        self.nodes = 0

    def of(self, value: Any) -> str:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise UnreadableError
        if isinstance(value, _Name):
            return str.removeprefix(value, _SHORT)
        if isinstance(value, str):
            return (
                json.dumps(value) if len(value) <= _LONGEST else f"text#{_digest(value.encode())}"
            )
        if isinstance(value, bytes):
            return repr(value) if len(value) <= _LONGEST else f"bytes#{_digest(value)}"
        return self._call(value) if isinstance(value, _Made) else self._several(value)

    def _several(self, value: Any) -> str:
        if isinstance(value, list):
            return f"[{', '.join(map(self.of, value))}]"
        if isinstance(value, tuple):
            return f"({', '.join(map(self.of, value))})"
        if isinstance(value, _Set):
            return f"set({', '.join(sorted(map(self.of, value.items)))})"
        if isinstance(value, _Pairs):
            return "{" + ", ".join(self._pairs(value.pairs)) + "}"
        return repr(value)

    def _pairs(self, pairs: list[tuple[Any, Any]]) -> list[str]:
        return sorted(f"{self.of(key)}: {self.of(value)}" for key, value in pairs)

    def _call(self, made: _Made) -> str:
        called = self.of(made.called)
        arguments = made.arguments
        if called.endswith(_CLASSES):
            # The fifth is drawn by lot in each process.
            arguments = (*arguments[:4], *arguments[5:])
        parts = [self.of(each) for each in arguments]
        if made.named is not None:
            parts += self._attributes(made.named)
        for state in made.state:
            parts += self._attributes(state)
        parts += map(self.of, made.items)
        parts += self._pairs(made.pairs)
        return f"{called}({', '.join(parts)})"

    def _attributes(self, state: Any) -> Iterator[str]:
        if not isinstance(state, _Pairs):
            yield self.of(state)
            return
        named = [(key, value) for key, value in state.pairs if isinstance(key, str)]
        if len(named) < len(state.pairs):
            yield self.of(state)
            return
        for key, value in sorted(named, key=lambda pair: pair[0]):
            if key not in _NOT_CONTENT:
                yield f"{key}={self.of(value)}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
