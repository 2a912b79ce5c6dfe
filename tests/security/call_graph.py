"""Which functions of the suite a job can reach, read from the source; nothing is imported or run.

A function is reached when its name stands in one that is. That a branch is never taken is not seen,
so what is found is too much rather than too little; annotations are left out, they call nothing.
"""

import ast
import functools
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "transforms", "pipelines", "local", "console")


class Symbol(NamedTuple):
    """A function, class or constant at the top level of a module."""

    module: str
    name: str


class Module(NamedTuple):
    """What a module defines, and what its imported names stand for: (module, name or "")."""

    defined: dict[str, list[ast.stmt]]
    imported: dict[str, tuple[str, str]]


class _Uses(ast.NodeVisitor):
    """Collects the names and attributes that code uses; annotations are passed over."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()

    def visit_Name(self, node: ast.Name) -> None:
        self.names.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name):
            self.attributes.add((node.value.id, node.attr))
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        return

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.decorator_list, node.args, *node.body):
            self.visit(part)


@functools.cache
def module_of(name: str) -> Module | None:
    """Return a module of the suite, None where there is none of this name."""
    path = ROOT.joinpath(*name.split("."))
    room, found = path.relative_to(ROOT).parts[0], path.with_suffix(".py")
    found = found if found.exists() else path / "__init__.py"
    return _module(tree_of(name)) if room in ROOMS and found.exists() else None


@functools.cache
def tree_of(name: str) -> ast.Module:
    """Return the code of a module."""
    path = ROOT.joinpath(*name.split("."))
    file = path.with_suffix(".py")
    return ast.parse((file if file.exists() else path / "__init__.py").read_text())


def modules_of(*rooms: str) -> list[str]:
    """Return the names of all modules of some rooms."""
    paths = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]


def imported_by(name: str) -> set[str]:
    """Return what a module imports, by full names."""
    module = module_of(name)
    return {".".join(filter(None, each)) for each in module.imported.values()} if module else set()


@functools.cache
def names_in(name: str) -> frozenset[str]:
    """Return all that a module names, imported names by what they stand for."""
    nodes = [n for n in ast.walk(tree_of(name)) if isinstance(n, ast.Name | ast.Attribute)]
    return frozenset({*imported_by(name), *(whole_name(name, node) for node in nodes)})


def whole_name(module: str, node: ast.expr) -> str:
    """Return what a module calls by a name; `loads` may be that of pickle."""
    known, parts = module_of(module), list[str]()
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        found = known.imported.get(node.id) if known else None
        return ".".join([*filter(None, found or (node.id,)), *parts])
    return ".".join(["", *parts])


@functools.cache
def uses(symbol: Symbol) -> frozenset[Symbol]:
    """Return the symbols of the suite that a symbol names."""
    found, module = _Uses(), module_of(symbol.module)
    for node in nodes_of(symbol):
        found.visit(node)
    told = {_resolved(symbol.module, name) for name in found.names}
    for base, attribute in found.attributes:
        whole = ".".join(filter(None, module.imported.get(base, ()))) if module else ""
        if whole and module_of(whole):
            told.add(_resolved(whole, attribute))
    return frozenset(each for each in told if each is not None and each != symbol)


def reached(
    starts: frozenset[Symbol], blocked: frozenset[Symbol] = frozenset()
) -> frozenset[Symbol]:
    """Return all symbols that are reached from some, by no way through those that are blocked."""
    found, waiting = set(starts), list(starts)
    while waiting:
        new = uses(waiting.pop()) - found - blocked
        found |= new
        waiting += new
    return frozenset(found)


def everything_in(module: str) -> frozenset[Symbol]:
    """Return what a module defines."""
    known = module_of(module)
    return frozenset(Symbol(module, name) for name in known.defined) if known else frozenset()


def nodes_of(symbol: Symbol) -> list[ast.stmt]:
    """Return the code of a symbol."""
    module = module_of(symbol.module)
    return module.defined[symbol.name] if module else []


def _module(tree: ast.Module) -> Module:
    module = Module({}, {})
    for node in tree.body:
        for name in _names(node):
            module.defined.setdefault(name, []).append(node)
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom) and each.module:
            for alias in each.names:
                module.imported[alias.asname or alias.name] = (each.module, alias.name)
        elif isinstance(each, ast.Import):
            for alias in each.names:
                module.imported[alias.asname or alias.name] = (alias.name, "")
    return module


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [each.id for target in targets for each in ast.walk(target) if _is_name(each)]
    return []


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def _resolved(module: str, name: str) -> Symbol | None:
    """Follow imports to where a name is defined; None: not in the suite."""
    while known := module_of(module):
        if name in known.defined:
            return Symbol(module, name)
        if name not in known.imported:
            return None
        module, name = known.imported[name]
    return None
