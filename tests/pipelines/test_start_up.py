"""What a job imports at its start: only what it uses, as each library takes time there."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "transforms", "pipelines")
BIGTABLE = "google.cloud.bigtable.data"


@cache
def imported(module):
    """Return what a module imports when it is imported; not what its functions do when called."""
    found, todo = set(), list(ast.parse(file_of(module).read_text()).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]
    return found


def file_of(module):
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def all_imported(module):
    """Return what is imported with a module, through the rooms of the suite."""
    known, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in known:
            known.add(name)
            if name.partition(".")[0] in ROOMS and file_of(name).exists():
                todo += imported(name)
    return known


@pytest.mark.parametrize(
    "job", ["archive_raw", "compact_archive", "curate_events", "fill_from_drift", "window_metrics"]
)
def test_a_job_that_writes_no_bigtable_does_not_wait_for_its_client(job):
    found = all_imported(f"pipelines.{job}")
    assert {"apache_beam", "schemas.events", "transforms.object_store"} <= found
    assert BIGTABLE not in found


def test_the_client_of_bigtable_is_found_where_it_is_imported():
    assert BIGTABLE in all_imported("transforms.read_tiles")
