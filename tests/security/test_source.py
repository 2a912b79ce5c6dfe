"""What the source may not do with data from outside: unpickle, inflate without bound, make SQL."""

import ast
import functools
import re

import pytest

from tests.security.api_calls import clients_of
from tests.security.call_graph import imported_by, modules_of, names_in, tree_of, whole_name

pytestmark = pytest.mark.engine

CODE = ("schemas", "transforms", "pipelines", "console", "local")
SQL = re.compile(
    r"\b(SELECT|MERGE|INSERT INTO|DELETE FROM|UPDATE|WHERE|FROM|QUALIFY|UNNEST|ALTER TABLE)\b"
    r"|(?is:\bselect\b.+\bfrom\b|\binsert into\b|\bdelete from\b|\bmerge into\b)"
)


@functools.cache
def calls_in(module):
    """Return what is called, by full names: neither `as` nor `from` hides what it is."""
    calls = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
    return {whole_name(module, call.func) for call in calls}


def modules():
    return [name for name in modules_of(*CODE, "benchmarks") if not name.endswith("__init__")]


def test_nothing_is_unpickled_or_evaluated():
    """Beam pickles functions on its own, between machines that the job itself has started.

    `penstock graph` names coders that stand pickled in a graph: it takes their instructions apart
    and runs none.
    """
    loaders = re.compile(r"_?c?(pickle|dill|cloudpickle|marshal|shelve|joblib|runpy)(\.|$)", re.I)
    runs = re.compile(r"(builtins\.)?(eval|exec|compile|__import__)$|os\.(system|popen|exec|spawn)")
    may_import = {"console.graph_pickles": {"pickletools"}}
    for module in modules():
        named = {name for name in names_in(module) if loaders.match(name)}
        named |= {name for name in imported_by(module) if "pickle" in name}
        named = {name for name in named if not name.startswith(("console.", "local."))}
        assert named <= may_import.get(module, set()), module
        assert not [name for name in names_in(module) if runs.match(name)], module
        calls = calls_in(module)
        assert not [call for call in calls if re.search(r"pickle$|(?<!_)loads_pickle", call)]


def test_a_job_imports_nothing_by_a_name_that_it_is_told():
    for module in modules_of("schemas", "transforms", "pipelines"):
        assert "importlib.import_module" not in names_in(module), module


def test_no_program_is_started_by_a_shell_nor_by_a_job():
    for module in modules():
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                assert ast.unparse(node.value) == "False", module
    for module in modules_of("schemas", "pipelines"):
        starters = {name for name in imported_by(module) if name.startswith("subprocess")}
        assert not starters, module


def test_yaml_is_read_by_loaders_that_make_plain_values_only():
    reading = re.compile(r"(ruamel\.)?yaml\.\w*(load|Loader)\w*$")
    for module in modules():
        classes = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.ClassDef)]
        safe = {
            each.name
            for each in classes
            if [whole_name(module, base) for base in each.bases] == ["yaml.SafeLoader"]
        }
        named = {name for name in names_in(module) if reading.match(name)}
        assert named <= {"yaml.load", "yaml.safe_load", "yaml.SafeLoader"}, module
        # Called where it is named, and with the loader in its place.
        uses = {name for name in imported_by(module) if name == "yaml.load"}
        assert not uses, module
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Call) and whole_name(module, node.func) == "yaml.load":
                assert ast.unparse(node.args[1]) in safe, module


INFLATES = {
    # Bounded, each with a bomb in `test_bombs`.
    "schemas.compression": {"zlib.decompressobj"},
    "schemas.avro_blocks": {"zlib.decompressobj", "zstd.ZstdDecompressor", "fastavro.block_reader"},
    "schemas.quarantine_reading": {"fastavro.schemaless_reader"},
    "transforms.inflate": {
        *("zlib.decompressobj", "bz2.BZ2Decompressor", "lzma.LZMADecompressor"),
        "zstd.ZstdDecompressor",
    },
    # Coders in a graph, by name; no more than the largest that is taken apart.
    "console.graph_coders": {"zlib.decompressobj", "bz2.BZ2Decompressor"},
    # What this suite's own steps have packed, between machines of one job; nobody else writes it.
    "schemas.parcels": {"zstandard.ZstdDecompressor"},
    "schemas.sealed_packs": {"zstandard.ZstdDecompressor"},
    # Reads back what a run of one's own has just written: the proof and the demo.
    "schemas.quarantine_avro": {"fastavro.reader"},
}


def test_every_place_that_inflates_is_known():
    """Where this fails: bound the new place, and feed it a bomb in `test_bombs`."""
    named = re.compile(
        r"^(zlib|gzip|bz2|lzma|zstd|zstandard|zipfile|tarfile)\.\w*([Dd]ecompress|open|File)\w*$"
        r"|^fastavro\.\w*reader$"
    )
    found = {}
    for module in modules_of("schemas", "transforms", "pipelines", "console"):
        names = {re.sub(r"^(backports|compression)\.", "", name) for name in names_in(module)}
        if hits := {name for name in names if named.match(name)}:
            found[module] = hits
    assert found == INFLATES


DECLARED = {
    "schemas.layer_counts": {
        *("GOLD", "LATE.full_name", "SHOWN", "_DIFFER", "begin", "curated", "metric.name", "name"),
        "_counts_sql(metric, contracts, length)",
    },
    "schemas.merge_rows": {
        *("_before(rule.order)", "_listed(rule.key)", "_of('S', inside)"),
        *("changes", "counted", "inside", "source", "table", "target"),
    },
    "schemas.metric_view": {
        *("RECOMPUTED.full_name", "_listed([column.name for column in columns])"),
        *("_spans(length, metric.fill_within)", "_text(metric.name)"),
        *("_text(window_name(length))", "before", "current", "key", "keys", "panes", "rest"),
        *("shown", "step", "told", "*zeros"),
    },
    "schemas.quality_sql": {
        *("KEPT_FIRST", "_path(check.known_column)", "check.known.table.full_name"),
        *("check.known.time", "columns", "found", "looked_at", "once if relation.once else ''"),
        *("relation.table.full_name", "relation.time", "rows", "since"),
    },
    "schemas.silver_tables": {"KEPT_FIRST", "table.full_name"},
    # A command for a person to type, of columns that are declared.
    "schemas.table_changes": {"', '.join(key)"},
    "transforms.audit_bigquery": {
        *("LATE.full_name", "silver_table(self._contracts, event_type).full_name"),
    },
    "transforms.read_drift": {
        *("KEPT_FIRST", "UNKNOWN_FIELDS", "_IN_SPAN", "columns", "condition", "current"),
        *("self.tables[event_type].full_name", "table.full_name"),
    },
    "pipelines.recompute_generations": {"RECOMPUTED.full_name"},
}
"""What stands inside of statements: parts of the statement, and names that are declared.

No value of an event is among them. Those that are asked for are parameters; a literal in a view,
which can have no parameters, is quoted by `schemas.metric_view._text`.
"""


def is_text(node):
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def is_sql(node):
    """Return whether a text stands there that is a part of a statement, and no message."""
    values = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(v.value for v in values if is_text(v) and isinstance(v, ast.Constant))
    return bool(SQL.search(text)) and "no name" not in text and "SET OPTIONS" not in text


def test_statements_are_made_of_declared_names_and_never_of_values():
    """Where this fails: give the value as a parameter of the query."""
    found = {}
    for module in modules_of("schemas", "transforms", "pipelines", "console"):
        inside = set()
        for node in ast.walk(tree_of(module)) if not module.endswith("__init__") else ():
            if isinstance(node, ast.JoinedStr) and is_sql(node):
                parts = [v for v in node.values if isinstance(v, ast.FormattedValue)]
                inside |= {ast.unparse(v.value) for v in parts}
            elif isinstance(node, ast.BinOp) and (is_sql(node.left) or is_sql(node.right)):
                inside |= {ast.unparse(v) for v in (node.left, node.right) if not is_text(v)}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                changes = node.func.attr in ("format", "format_map", "replace", "join")
                assert not (changes and is_sql(node.func.value)), module
                listed = [v for each in node.args for v in getattr(each, "elts", ())]
                if node.func.attr == "join" and any(map(is_sql, listed)):
                    inside |= {ast.unparse(v) for v in listed if not is_text(v)}
        found.update({module: inside} if inside else {})
    assert found == DECLARED


def test_queries_are_sent_from_few_places_and_take_times_as_parameters():
    senders = {
        module
        for module in modules_of("schemas", "transforms", "pipelines", "console")
        if not module.endswith("__init__")
        and "bigquery" in clients_of(module)
        # `CuratedRecords.query` returns the text of one.
        and [n for n in names_in(module) - {"form.query"} if re.search(r"\.query(_and_wait)?$", n)]
    }
    assert senders == {"transforms.load_jobs", "transforms.query_tables", "console.bigquery_access"}
    assert "google.cloud.bigquery.ScalarQueryParameter" in calls_in("transforms.query_tables")


@pytest.mark.parametrize("module", ["transforms.query_tables", "transforms.read_curated"])
def test_times_are_never_written_into_a_query(module):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.JoinedStr):
            text = "".join(v.value for v in node.values if isinstance(v, ast.Constant))
            assert not SQL.search(text)
