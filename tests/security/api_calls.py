"""What a job can ask of Google's services, found in its source, and the permissions that it takes.

The permissions are those of the services' own references ("IAM permissions for JSON methods" of
Cloud Storage, "Access control" of Bigtable, BigQuery, Pub/Sub and Secret Manager).
"""

import ast
import functools
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeGuard

from apache_beam.io.filesystems import FileSystems
from google.cloud import bigquery, pubsub_v1, secretmanager, storage
from google.cloud.bigtable.data import BigtableDataClient, Table

from tests.security.call_graph import Symbol, everything_in, imported_by, nodes_of, reached, uses

Needs = frozenset[tuple[str, str]]

CLIENTS = {
    "storage": (storage.Client, storage.Bucket, storage.Blob),
    "bigquery": (bigquery.Client, bigquery.QueryJob, bigquery.LoadJob),
    "bigtable": (BigtableDataClient, Table),
    "pubsub": (pubsub_v1.SubscriberClient,),
    "secretmanager": (secretmanager.SecretManagerServiceClient,),
    "files": (FileSystems,),
}
IMPORTED = {
    "google.cloud.storage": "storage",
    "google.cloud.bigquery": "bigquery",
    "transforms.bigquery_connection.bigquery_client": "bigquery",
    "google.cloud.bigtable.data.BigtableDataClient": "bigtable",
    "google.cloud.pubsub_v1": "pubsub",
    "google.cloud.secretmanager": "secretmanager",
    "apache_beam.io.filesystems.FileSystems": "files",
}
"""How a module comes by a client."""

_JOB = ("project", "bigquery.jobs.create")
_SEEN = ("datasets", "bigquery.tables.get")
_READ = ("datasets", "bigquery.tables.getData")
_CHANGED = ("datasets", "bigquery.tables.updateData")

METHODS: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("storage", "bucket"): (),
    ("storage", "blob"): (),
    ("storage", "upload_from_string"): (("", "storage.objects.create"),),
    ("storage", "download_as_bytes"): (("", "storage.objects.get"),),
    ("storage", "reload"): (("", "storage.objects.get"),),
    ("storage", "delete"): (("", "storage.objects.delete"),),
    ("storage", "list_blobs"): (("", "storage.objects.list"),),
    ("bigquery", "get_table"): (_SEEN,),
    ("bigquery", "create_table"): (("datasets", "bigquery.tables.create"),),
    ("bigquery", "delete_table"): (("datasets", "bigquery.tables.delete"),),
    # A job of one's own is seen with the right to make it; and reads what it is to load.
    ("bigquery", "get_job"): (_JOB,),
    ("bigquery", "load_table_from_uri"): (
        *(_JOB, _CHANGED, ("datasets", "bigquery.tables.update")),
        *(("datasets", "bigquery.tables.create"), ("staging", "storage.objects.get")),
        *(("staging", "storage.objects.list"), ("staging", "storage.buckets.get")),
    ),
    ("bigquery", "query"): (_JOB, _READ),
    ("bigquery", "result"): (),
    ("bigquery", "to_api_repr"): (),
    ("bigtable", "close"): (),
    # The client warms its channels to the instance.
    ("bigtable", "get_table"): (("instance", "bigtable.instances.ping"),),
    ("bigtable", "read_rows"): (("bigtable", "bigtable.tables.readRows"),),
    ("pubsub", "close"): (),
    # The channel's, not the client's: it tells whether the connection stands.
    ("pubsub", "subscribe"): (),
    ("secretmanager", "access_secret_version"): (("secret", "secretmanager.versions.access"),),
    ("files", "match"): (("", "storage.objects.list"), ("", "storage.objects.get")),
    ("files", "open"): (("", "storage.objects.get"),),
}
"""Methods of the clients that the suite may call. A place that is empty is told by the module."""

BEAM = {
    # Beam looks the subscription up, and Dataflow's source pulls from it.
    "ReadFromPubSub": (
        ("subscription", "pubsub.subscriptions.consume"),
        ("subscription", "pubsub.subscriptions.get"),
    ),
    "WriteToBigQuery": (_SEEN, _CHANGED),
    "FileBasedSource": (("input", "storage.objects.list"), ("input", "storage.objects.get")),
}
"""Steps of Beam's own."""
CALLED_RAW = {
    "Pull": (("subscription", "pubsub.subscriptions.consume"),),
    "Acknowledge": (("subscription", "pubsub.subscriptions.consume"),),
    "ModifyAckDeadline": (("subscription", "pubsub.subscriptions.consume"),),
    "MutateRows": (("bigtable", "bigtable.tables.mutateRows"),),
    "insertAll": (_CHANGED,),
}
"""Requests that are sent past the clients' methods."""
_RAW = re.compile(r"/google\.[\w.]+/(\w+)$|/(insertAll)$")

STATEMENTS = {("transforms.load_jobs", "query"): (_CHANGED,)}
"""Statements that change rows; the others read."""

VERBS = {
    "create": ("create",),
    # To replace an object takes the right to delete it.
    "put": ("create", "delete"),
    "update": ("create", "delete", "get"),
    "read": ("get",),
    "delete": ("delete",),
    "listed": ("list",),
    "folders": ("list",),
    "has_bucket": ("list",),
}
"""What the functions of `transforms.bucket_objects` take, each behind `transforms.object_store`."""

STORES = {
    "create_object": ("create",),
    "replace_object": ("put",),
    "update_object": ("update",),
    "read_object": ("read",),
    "read_objects": ("listed", "read"),
    "delete_object": ("delete",),
    "list_objects": ("listed",),
    "list_folders": ("folders",),
    "has_bucket": ("has_bucket",),
}

PLACES = {
    "pipelines.recompute_generations": "rows",
    "pipelines.release_launch": "quarantine",
    "pipelines.row_options": "staging",
    "schemas.contract": "declarations",
    "schemas.declaration_file": "declarations",
    "transforms.archive_manifest": "archive",
    "transforms.archive_objects": "archive",
    "transforms.audit_files": "rows",
    "transforms.batch_lines": "input",
    "transforms.check_step": "quarantine",
    "transforms.clean_hour": "archive",
    "transforms.keep_unknown": "quarantine",
    "transforms.ledger": "quarantine",
    "transforms.load_rows": "staging",
    "transforms.log_repairs": "archive",
    "transforms.mark_complete": "marker",
    "transforms.merge_hour": "archive",
    "transforms.read_curated": "rows",
    "transforms.read_lines": "input",
    "transforms.read_quarantine": "quarantine",
    "transforms.write_archive": "archive",
    "transforms.write_cell_lines": "file",
    "transforms.write_chosen_rows": "outputs",
    "transforms.write_objects": "outputs",
}
"""Which place the objects are in that a module asks for."""
PLACES_OF_FUNCTIONS = {
    Symbol("transforms.audit_layers", "_refused"): "quarantine",
    Symbol("transforms.audit_layers", "parsed_lines"): "rows",
    # Reads what one run set: of a file that a person names, and of no job's.
    Symbol("transforms.write_cell_lines", "read_lines"): "file",
}


class Cut(NamedTuple):
    """A function that every job reaches, and that only those with an option call."""

    symbol: Symbol
    option: str


CUTS = (
    Cut(Symbol("pipelines.places", "_check_table"), "app_profile"),
    Cut(Symbol("pipelines.row_options", "check_rows"), "write_method"),
    Cut(Symbol("transforms.read_messages", "ReadMessages"), "input_subscription"),
    # Whoever launches a template does not wait for the end, when counters are written.
    Cut(Symbol("pipelines.counters", "write_counters"), ""),
)


def needs_of(job: str, options: set[str]) -> Needs:
    """Return (place, permission) of all that a job can call."""
    blocked = frozenset(cut.symbol for cut in CUTS if cut.option not in options)
    symbols = reached(everything_in(f"pipelines.{job}"), blocked)
    return frozenset(need for symbol in symbols for need in called_by(symbol))


@functools.cache
def called_by(symbol: Symbol) -> Needs:
    """Return what a symbol calls itself."""
    if symbol.module in ("transforms.object_store", "transforms.bucket_objects"):
        return frozenset()
    found = [need for use in uses(symbol) for need in _stored(symbol, use)]
    found += [need for name in methods_of(symbol) for need in _asked(symbol, name)]
    for name in raw_calls_of(symbol):
        found += CALLED_RAW[name]
    for node in walked(symbol):
        if isinstance(node, ast.Name):
            found += BEAM.get(node.id, ())
    return frozenset(found)


def methods_of(symbol: Symbol) -> set[tuple[str, str]]:
    """Return (client, method) of what a symbol calls that a client of its module has."""
    found = set()
    for client in clients_of(symbol.module):
        # Handed on is as good as called.
        names = {each.attr for each in walked(symbol) if isinstance(each, ast.Attribute)}
        if client == "files":
            names = {each.attr for each in walked(symbol) if _is_of_beam(each)}
        found |= {(client, name) for name in names & _methods(client)}
    return found


def clients_of(module: str) -> set[str]:
    """Return the clients that a module has."""
    return {IMPORTED[name] for name in imported_by(module) & set(IMPORTED)}


def raw_calls_of(symbol: Symbol) -> set[str]:
    """Return the requests that a symbol sends by their names."""
    found = set()
    for node in walked(symbol):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if match := _RAW.search(node.value):
                found.add(match[1] or match[2])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "self._method":
            found.add(ast.literal_eval(node.args[0]))
    return found


def walked(symbol: Symbol) -> Iterator[ast.AST]:
    """Yield every node of a symbol's code."""
    return (node for top in nodes_of(symbol) for node in ast.walk(top))


def place_of(symbol: Symbol) -> str:
    """Return where the objects are that a symbol asks for."""
    return PLACES_OF_FUNCTIONS.get(symbol) or PLACES[symbol.module]


def _stored(symbol: Symbol, use: Symbol) -> Iterator[tuple[str, str]]:
    if use.module != "transforms.object_store" or use.name not in STORES:
        return
    for verb in STORES[use.name]:
        for right in VERBS[verb]:
            yield place_of(symbol), f"storage.objects.{right}"


def _asked(symbol: Symbol, method: tuple[str, str]) -> Iterator[tuple[str, str]]:
    needs = (*METHODS[method], *STATEMENTS.get((symbol.module, method[1]), ()))
    return ((place or place_of(symbol), permission) for place, permission in needs)


@functools.cache
def _methods(client: str) -> frozenset[str]:
    named = ((kind, name) for kind in CLIENTS[client] for name in dir(kind) if name[0] != "_")
    return frozenset(name for kind, name in named if callable(getattr(kind, name)))


def _is_of_beam(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and ast.unparse(node.value) == "FileSystems"
