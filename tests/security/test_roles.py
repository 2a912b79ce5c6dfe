"""The roles of each pipeline are those that its code takes: no call without one, none unused."""

import os
import re
import shlex
import subprocess

import pytest

from local.roles import CONDITIONS, CUSTOM, PIPELINES, PLACES, PREDEFINED, SERVICE, grants_of
from local.roles_page import BINDINGS, VARIABLES, account_of, commands_of
from local.write_docs import pages
from local.write_templates import jobs
from pipelines.option_words import declared_options
from tests.security import api_calls
from tests.security.api_calls import (
    BEAM,
    CALLED_RAW,
    CUTS,
    METHODS,
    PLACES_OF_FUNCTIONS,
    STORES,
    VERBS,
    methods_of,
    needs_of,
    raw_calls_of,
)
from tests.security.call_graph import (
    Symbol,
    everything_in,
    imported_by,
    modules_of,
    names_in,
    nodes_of,
    reached,
)
from transforms import bucket_objects, object_store

CODE = ("schemas", "transforms", "pipelines")
COVERED_BY = {"bigtable": ("instance",), "marker": ("archive",)}
"""Places that a grant on another one covers as well."""


def options_of(pipeline):
    return {option.name for option in declared_options(jobs()[pipeline].options)}


def allowed(pipeline):
    rights = {**CUSTOM, **PREDEFINED}
    return {(each.place, right) for each in PIPELINES[pipeline] for right in rights[each.role]}


def is_covered(need, granted):
    place, right = need
    return any((each, right) in granted for each in (place, *COVERED_BY.get(place, ())))


def test_every_pipeline_has_its_roles():
    assert set(PIPELINES) == set(jobs())


@pytest.mark.parametrize("pipeline", sorted(PIPELINES))
def test_a_pipeline_calls_nothing_that_its_roles_do_not_cover(pipeline):
    granted = allowed(pipeline)
    needs = needs_of(pipeline, options_of(pipeline))
    assert needs
    assert [need for need in sorted(needs) if not is_covered(need, granted)] == []


@pytest.mark.parametrize("pipeline", sorted(PIPELINES))
def test_a_pipeline_is_allowed_nothing_that_it_never_calls(pipeline):
    needs = needs_of(pipeline, options_of(pipeline))
    used = needs | {(wider, right) for place, right in needs for wider in COVERED_BY.get(place, ())}
    assert sorted(allowed(pipeline) - used) == []


def test_compaction_alone_deletes_in_the_archive_and_nothing_else_replaces_more_than_markers():
    found = {
        name: {place for place, right in allowed(name) if right == "storage.objects.delete"}
        for name in PIPELINES
    }
    assert {name for name, places in found.items() if "archive" in places} == {"compact_archive"}
    assert {name for name, places in found.items() if "marker" in places} == {"archive_raw"}
    assert CONDITIONS == {"marker": 'resource.name.endsWith("/_complete.json")'}
    assert not [
        places for places in found.values() if "quarantine" in places | {"outputs"} & places
    ]


def test_roles_are_small_named_once_and_of_places_and_options_that_are_there():
    roles = {**CUSTOM, **PREDEFINED}
    used = {each.role for grants in PIPELINES.values() for each in grants}
    assert used == set(roles)
    assert not [role for role in roles if re.search(r"owner|admin|editor", role, re.IGNORECASE)]
    for pipeline, grants in PIPELINES.items():
        assert len(set(grants)) == len(grants)
        for each in (*grants, *SERVICE):
            assert each.place in PLACES
            named = {option.partition("=")[0] for option in each.options}
            assert not each.options or named & options_of(pipeline), (pipeline, each)


def test_every_way_to_call_a_service_is_known():
    """Where this fails: say in `api_calls` which permission the new call takes, then grant it."""
    for module in modules_of(*CODE):
        for symbol in everything_in(module):
            assert methods_of(symbol) <= set(METHODS), symbol
            assert raw_calls_of(symbol) <= set(CALLED_RAW), symbol


def test_no_client_of_google_is_had_in_another_way():
    clients = re.compile(
        r"google\.(cloud|pubsub_v1|api_core\.grpc)|googleapiclient|apache_beam\.io"
    )
    harmless = re.compile(
        r"\.(exceptions|types|retry|row_filters|filesystem|range_trackers|iobase)(\.|$)"
        r"|watermark_estimators|transports\.SubscriberGrpcTransport|bigquery\.DEFAULT_RETRY"
        r"|BigQueryDisposition|ReadRowsQuery|io\.Read$"
    )
    known = {*api_calls.IMPORTED, "apache_beam.io.filebasedsource.FileBasedSource"}
    known |= {f"apache_beam.io.gcp.{module}" for module in ("pubsub.ReadFromPubSub",)}
    known |= {"apache_beam.io.gcp.bigquery.WriteToBigQuery"}
    assert {name.rpartition(".")[2] for name in known} >= set(BEAM)
    for module in modules_of(*CODE):
        named = {name for name in imported_by(module) if clients.match(name)}
        assert {name for name in named if not harmless.search(name)} <= known, module


CONNECTIONS = {
    # Asks for credentials, and for nothing else.
    "schemas.credentials": {"google.auth.transport.requests"},
    # The client's own session, with more connections; rows are sent as `CALLED_RAW` says.
    "transforms.bigquery_connection": {"requests"},
    # The Java service on this machine.
    "transforms.expand_java": {"grpc"},
    **{
        f"transforms.{module}": {"grpc"}
        for module in ("peek_subscription", "pubsub_client", "pubsub_pull", "pubsub_session")
    },
}


def test_no_connection_is_made_past_the_clients():
    """Where this fails: whatever is sent there, say in `CALLED_RAW` which permission it takes."""
    ways = re.compile(
        r"(requests|urllib3?|https?|httplib2|httpx|aiohttp|socket|grpc|google\.auth\.transport)(\.|$)"
    )
    harmless = re.compile(r"urllib\.parse|\.exceptions(\.|$)|grpc\.(RpcError|StatusCode)$")
    found = {}
    for module in modules_of(*CODE):
        named = {name for name in imported_by(module) if ways.match(name)}
        if named := {name for name in named if not harmless.search(name)}:
            found[module] = named
    assert found == CONNECTIONS


def test_of_the_clients_those_are_made_whose_methods_are_known():
    known = {kind.__name__ for kinds in api_calls.CLIENTS.values() for kind in kinds}
    for module in modules_of(*CODE):
        named = {re.match(r"google\.cloud\..*?\.(\w+Client)\b", name) for name in names_in(module)}
        assert {found[1] for found in named if found} <= known, module


def test_what_is_said_of_the_object_store_is_what_it_calls():
    rights = {name: {right for _, right in needs} for (_, name), needs in METHODS.items()}
    assert set(VERBS) == set(bucket_objects.__all__)
    for verb, told in VERBS.items():
        symbols = reached(frozenset({Symbol("transforms.bucket_objects", verb)}))
        called = {name for symbol in symbols for client, name in methods_of(symbol)}
        found = {right.rpartition(".")[2] for name in called for right in rights[name]}
        # That an object is replaced, which takes the right to delete, no name of a call tells.
        assert found - {"delete"} == set(told) - {"delete"}, verb
        assert "delete" in told or "delete" not in found, verb
    functions = {name for name in object_store.__all__ if name[0].islower()}
    assert functions - set(STORES) == {"check_path", "list_unfinished"}


def test_what_is_left_out_and_placed_by_hand_is_still_there():
    for symbol in (*(cut.symbol for cut in CUTS), *PLACES_OF_FUNCTIONS):
        assert nodes_of(symbol), symbol
    every = set().union(*(options_of(name) for name in jobs()))
    assert {cut.option for cut in CUTS} - {""} <= every


def test_the_page_is_that_of_the_table():
    """Where this fails: `make docs`."""
    assert [path.name for path, text in pages().items() if path.read_text() != text] == []


FAKE = """#!/bin/sh
printf '%s' "$(basename "$0")" >> "$CALLS"
for each; do printf '\\t%s' "$each" >> "$CALLS"; done
printf '\\n' >> "$CALLS"
"""


def test_the_commands_grant_each_role_where_the_table_says(tmp_path):
    for name in ("gcloud", "bq"):
        (tmp_path / name).write_text(FAKE)
        (tmp_path / name).chmod(0o755)
    given = "\n".join(f"{name}=my-{name.lower()}" for name in VARIABLES)
    script = "\n".join([given, *map(commands_of, PIPELINES)])
    log = tmp_path / "calls"
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(log)}
    subprocess.run(["bash", "-euc", script], env=env, check=True, timeout=60)
    calls = [line.split("\t") for line in log.read_text().splitlines()]
    made = {call[4] for call in calls if call[1:4] == ["iam", "service-accounts", "create"]}
    assert made == {account_of(name) for name in PIPELINES}
    for pipeline in PIPELINES:
        member = f"serviceAccount:{account_of(pipeline)}@my-project.iam.gserviceaccount.com"
        own = [shlex.join(call) for call in calls if any(member in part for part in call)]
        assert len(own) == len(grants_of(pipeline))
        for grant in grants_of(pipeline):
            role = grant.role if "/" in grant.role else f"projects/my-project/roles/{grant.role}"
            named = {f"my-{each.lower()}" for each in re.findall(r"\$(\w+)", BINDINGS[grant.place])}
            named -= {"my-member", "my-role", "my-dataset", "my-bucket"}
            wanted = [role, CONDITIONS.get(grant.place, ""), *named - {"my-outputs", "my-datasets"}]
            assert [call for call in own if all(part in call for part in wanted)], grant
