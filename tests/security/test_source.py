"""What the source may not do with data from outside: unpickle, inflate without bound, make SQL."""

import ast
import functools
import re

import pytest

from tests.security.call_graph import imported_by, modules_of, tree_of

pytestmark = pytest.mark.engine

CODE = ("schemas", "transforms", "pipelines", "console", "local")
SQL = re.compile(
    r"\b(SELECT|MERGE|INSERT INTO|DELETE FROM|UPDATE|WHERE|FROM|QUALIFY|UNNEST|ALTER TABLE)\b"
)


@functools.cache
def calls_in(module):
    return {ast.unparse(n.func) for n in ast.walk(tree_of(module)) if isinstance(n, ast.Call)}


def modules():
    return [name for name in modules_of(*CODE, "benchmarks") if not name.endswith("__init__")]


def test_nothing_is_unpickled_or_evaluated():
    """Beam pickles functions on its own, between machines that the job itself has started.

    `penstock graph` names coders that stand pickled in a graph: it takes their instructions apart
    and runs none.
    """
    loaders = re.compile(r"(pickle|dill|marshal|shelve|joblib)(\.|$)")
    may_import = {"console.graph_pickles": {"pickletools"}}
    for module in modules():
        named = {name for name in imported_by(module) if loaders.match(name) or "pickle" in name}
        named = {name for name in named if not name.startswith(("console.", "local."))}
        assert named <= may_import.get(module, set()), module
        calls = calls_in(module)
        bad = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"} & calls
        assert not bad, module
        assert not [call for call in calls if re.search(r"allow_pickle|(?<!_)loads_pickle", call)]


def test_no_program_is_started_by_a_shell_nor_by_a_job():
    for module in modules():
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                assert ast.unparse(node.value) == "False", module
    for module in modules_of("schemas", "pipelines"):
        starters = {name for name in imported_by(module) if name.startswith("subprocess")}
        assert not starters, module


def test_yaml_is_read_by_loaders_that_make_plain_values_only():
    reading = re.compile(r"yaml\.\w*(load|Loader)\w*$")
    for module in modules():
        tree = tree_of(module)
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        safe = {
            each.name
            for each in classes
            if [ast.unparse(base) for base in each.bases] == ["yaml.SafeLoader"]
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and reading.match(ast.unparse(node)):
                assert ast.unparse(node) in ("yaml.load", "yaml.safe_load", "yaml.SafeLoader"), (
                    module
                )
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "yaml.load":
                assert ast.unparse(node.args[1]) in safe, module


INFLATES = {
    # Bounded, each with a bomb in `test_bombs`.
    "schemas.compression": {"zlib.decompressobj"},
    "schemas.avro_blocks": {"zlib.decompressobj", "zstd.ZstdDecompressor", "fastavro.block_reader"},
    "schemas.quarantine_reading": {"fastavro.schemaless_reader"},
    "transforms.inflate": {"zlib.decompressobj"},
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
        r"|^fastavro\.\w*reader$|^(gzip|bz2|lzma)\.open$"
    )
    found = {}
    for module in modules_of("schemas", "transforms", "pipelines", "console"):
        if not module.endswith("__init__"):
            hits = {call for call in calls_in(module) if named.match(call)}
            found.update({module: hits} if hits else {})
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
        *("shown", "step", "told"),
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


def test_statements_are_made_of_declared_names_and_never_of_values():
    """Where this fails: give the value as a parameter of the query."""
    found = {}
    for module in modules_of("schemas", "transforms", "pipelines", "console"):
        inside = set()
        for node in ast.walk(tree_of(module)) if not module.endswith("__init__") else ():
            if isinstance(node, ast.JoinedStr):
                text = "".join(v.value for v in node.values if isinstance(v, ast.Constant))
                if SQL.search(text) and "no name" not in text and "SET OPTIONS" not in text:
                    parts = [v for v in node.values if isinstance(v, ast.FormattedValue)]
                    inside |= {ast.unparse(v.value) for v in parts}
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
                left = node.left
                is_text = isinstance(left, ast.Constant) and isinstance(left.value, str)
                assert not (is_text and SQL.search(left.value)), module
        found.update({module: inside} if inside else {})
    assert found == DECLARED


def test_queries_are_sent_from_few_places_and_take_times_as_parameters():
    senders = {
        module
        for module in modules_of("schemas", "transforms", "pipelines", "console")
        if not module.endswith("__init__")
        and [call for call in calls_in(module) if call.endswith("client.query")]
    }
    assert senders == {"transforms.load_jobs", "transforms.query_tables", "console.bigquery_access"}
    assert "bigquery.ScalarQueryParameter" in calls_in("transforms.query_tables")


@pytest.mark.parametrize("module", ["transforms.query_tables", "transforms.read_curated"])
def test_times_are_never_written_into_a_query(module):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.JoinedStr):
            text = "".join(v.value for v in node.values if isinstance(v, ast.Constant))
            assert not SQL.search(text)
