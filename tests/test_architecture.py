"""The rules of the house that a program can check."""

import ast
import functools
import pathlib
import re
import statistics
from collections.abc import Callable, Iterator

import pytest
from setuptools import find_packages

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = ("schemas", "transforms", "pipelines", "templates", "local", "console", "chaos")
MAY_IMPORT = {
    "schemas": {"schemas"},
    "transforms": {"schemas", "transforms"},
    "pipelines": {"schemas", "transforms", "pipelines"},
    "templates": {"schemas", "transforms", "pipelines", "templates"},
    "local": set(ROOMS) - {"console", "chaos"},
    "console": set(ROOMS) - {"chaos"},
    "chaos": set(ROOMS),
}
FORBIDDEN_IN_NAMES = (
    "Transform",
    "Source",
    "Sink",
    "Reader",
    "Writer",
    "Helper",
    "Manager",
    "Utils",
)


def modules(*rooms: str) -> list[pathlib.Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def failure(check: Callable[[pathlib.Path], None], path: pathlib.Path) -> str:
    try:
        check(path)
    except AssertionError as error:
        return f"{path.relative_to(ROOT)}: {error}"
    return ""


def each(*rooms: str) -> Callable[[Callable[[pathlib.Path], None]], Callable[[str], None]]:
    """Make a test of a room of a check of one module, which names all modules that fail it."""

    def of_room(check: Callable[[pathlib.Path], None]) -> Callable[[str], None]:
        def checked(room: str) -> None:
            wrong = [told for path in modules(room) if (told := failure(check, path))]
            assert not wrong, "\n".join(wrong)

        checked.__name__ = check.__name__
        return pytest.mark.parametrize("room", rooms)(checked)

    return of_room


@functools.cache
def tree(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def functions(path: pathlib.Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef))


def classes(path: pathlib.Path) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))


def code_lines(node: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = node.body
    first = body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    lines = (node.end_lineno or 0) - node.lineno + 1
    return lines - ((first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0)


def bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}


def imported(path: pathlib.Path) -> set[str]:
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@each(*ROOMS)
def test_imports_point_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    rooms = {name.partition(".")[0] for name in imported(path)} & set(ROOMS)
    assert rooms <= MAY_IMPORT[room]


def test_jobs_do_not_import_each_other():
    jobs = [
        path for path in modules("pipelines") if any(f.name == "build" for f in functions(path))
    ]
    names = {f"pipelines.{path.stem}" for path in jobs}
    assert jobs
    assert not {path.stem: hit for path in jobs if (hit := imported(path) & names)}


@each(*ROOMS)
def test_each_module_says_what_it_exports(path):
    if path.name in ("__init__.py", "__main__.py"):
        return
    names = [
        target.id
        for node in tree(path).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    assert "__all__" in names
    assert ast.get_docstring(tree(path))


@each("schemas", "transforms")
def test_annotations_are_real_and_types_are_not_ignored(path):
    text = path.read_text()
    assert "from __future__ import annotations" not in text
    assert "type: ignore" not in text


@each(*ROOMS)
def test_files_and_functions_are_small(path):
    assert len(path.read_text().splitlines()) <= 260
    too_long = {f.name: code_lines(f) for f in functions(path) if code_lines(f) > 40}
    assert not too_long


@pytest.mark.parametrize(
    "room", ["schemas", "transforms", "pipelines", "local", "console", "chaos"]
)
def test_most_functions_are_short(room):
    lengths = sorted(code_lines(f) for path in modules(room) for f in functions(path))
    assert statistics.median(lengths) <= 8
    assert lengths[int(len(lengths) * 0.9)] <= 25


@each("schemas", "transforms", "pipelines")
def test_nothing_is_caught_without_a_name(path):
    handlers = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ExceptHandler)]
    caught = [ast.unparse(handler.type) if handler.type else "" for handler in handlers]
    assert not [name for name in caught if name in ("", "Exception", "BaseException")]


@each("schemas", "transforms")
def test_time_comes_from_the_element_or_is_passed_in(path):
    calls = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    clocks = {
        "time.time",
        "datetime.now",
        "datetime.utcnow",
        "datetime.datetime.now",
        "time.time_ns",
    }
    assert not calls & clocks


@each("schemas")
def test_schemas_hold_no_pipeline_code(path):
    assert not [node.name for node in classes(path) if bases(node) & {"PTransform", "DoFn"}]


@each("transforms", "pipelines")
def test_transforms_are_annotated_dataclasses_named_by_a_verb(path):
    for node in classes(path):
        if "PTransform" not in bases(node):
            continue
        decorators = {ast.unparse(item) for item in node.decorator_list}
        assert "dataclass" in decorators, node.name
        assert not [word for word in FORBIDDEN_IN_NAMES if word in node.name], node.name
        expand = next(item for item in node.body if getattr(item, "name", "") == "expand")
        assert isinstance(expand, ast.FunctionDef)
        assert expand.returns is not None
        assert all(argument.annotation for argument in expand.args.args[1:])
        assert code_lines(expand) <= 20, node.name
        assert not [item for item in ast.walk(expand) if isinstance(item, ast.FunctionDef)][1:]


@each("pipelines")
def test_a_job_is_a_table_of_contents(path):
    is_job = any(function.name == "build" for function in functions(path))
    # A hundred lines of statements: imports and docstrings of a job name what it is made of.
    assert not is_job or sum(map(code_lines, functions(path))) <= 100
    assert not [node.name for node in classes(path) if "DoFn" in bases(node)]


@each(*ROOMS)
def test_no_banner_lines_and_no_wildcards(path):
    text = path.read_text()
    assert not re.search(r"^\s*#\s*[-=*#]{4,}", text, re.MULTILINE)
    assert not re.search(r"^from .* import \*", text, re.MULTILINE)


def test_the_distribution_holds_the_named_rooms_and_nothing_else():
    found = {
        name.partition(".")[0]
        for name in find_packages(
            str(ROOT), include=[p for room in ROOMS for p in (room, f"{room}.*")]
        )
    }
    assert found == set(ROOMS)


def test_pins_have_hashes_and_name_no_index():
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text()
        pins = re.findall(r"^[a-z0-9].*==", text, re.MULTILINE)
        assert pins, path.name
        assert "://" not in text, path.name
        assert not re.search(r"^--|index-url|find-links", text, re.MULTILINE), path.name
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert all("--hash=sha256:" in entry for entry in entries), path.name
