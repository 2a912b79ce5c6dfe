"""The way to production is whole: what a step names, a step before it has made."""

import json
import re
from itertools import pairwise

import pytest
import yaml

from console.launch_run import Asked, launch_job
from local.write_templates import jobs
from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.metric_set import load_metrics
from schemas.refusal import Refusal
from schemas.table_set import TableSet
from tests.docs.pages import DOCS, ROOT
from tests.docs.playing import play
from tests.docs.test_commands import problem_of

PAGE = (DOCS / "production.md").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Play the page once; give the commands that were typed, and the file that they made."""
    folder = tmp_path_factory.mktemp("production")
    file = folder / "prod.yaml"
    text = PAGE.replace("prod.yaml", str(file))
    return play(text, folder / "notes", REPOSITORY_URL="there"), file


def typed(commands, *words):
    """Return the rest of each command that begins so."""
    return [each[len(words) :] for each in commands if each[: len(words)] == list(words)]


def test_every_command_can_be_typed(made):
    commands, _ = made
    own = [each for each in commands if each[0] in ("penstock", "make")]
    assert len(own) > 15
    assert [problem for name, *rest in own if (problem := problem_of(name, rest))] == []


def test_every_launch_of_the_page_is_one_that_the_job_takes(made):
    commands, file = made
    asked = set()
    for pipeline, *rest in typed(commands, "penstock", "launch"):
        given = tuple(value for name, value in pairwise(rest) if name == "--set")
        shown = []
        launch_job(Asked(pipeline, file, given, dry_run=True), shown.append, lambda line: None)
        [request] = map(json.loads, shown)
        assert request["launchParameter"]["containerSpecGcsPath"].endswith(f"/{pipeline}.json")
        asked.add(pipeline)
    assert asked == {
        "archive_raw", "hot_path", "window_metrics", "curate_events", "compact_archive", "audit",
    }  # fmt: skip
    assert asked <= set(jobs())


def test_what_the_file_names_has_been_made_before(made):
    commands, file = made
    text = re.sub(r"#.*", "", file.read_text())
    assert not re.search(r"\bmy-", text)
    buckets = {each[0] for each in typed(commands, "gcloud", "storage", "buckets", "create")}
    assert {f"gs://{name}" for name in re.findall(r"gs://([^/\s]+)", text)} <= buckets
    subscriptions = typed(commands, "gcloud", "pubsub", "subscriptions", "create")
    named = re.findall(r"subscriptions/([\w-]+)", text)
    assert sorted(named) == sorted(each[0] for each in subscriptions)
    [[secret, *_]] = typed(commands, "gcloud", "secrets", "create")
    assert set(re.findall(r"secrets/([\w-]+)", text)) == {secret}
    [[instance, *_]] = typed(commands, "gcloud", "bigtable", "instances", "create")
    [[table]] = [each for each in typed(commands, "penstock", "tables", "create") if len(each) == 1]
    assert set(re.findall(r"projects/\S+/tables/\S+", text)) == {table.partition("=")[2]}
    assert f"/instances/{instance}/" in table


def test_accounts_are_those_that_the_page_of_roles_makes(made):
    _, file = made
    roles = (DOCS / "roles.md").read_text()
    accounts = set(re.findall(r"service_account: ([\w-]+)@", file.read_text()))
    assert accounts == set(re.findall(r"service-accounts create (penstock-[\w-]+) ", roles))
    named = set(re.findall(r"`(penstock-[\w-]+)`", PAGE))
    assert named <= accounts


def test_the_build_is_asked_for_by_substitutions_that_it_has(made):
    commands, _ = made
    [words] = typed(commands, "gcloud", "builds", "submit")
    [given] = [each.partition("=")[2] for each in words if each.startswith("--substitutions=")]
    names = {each.partition("=")[0] for each in given.split(",")} - {"COMMIT_SHA"}
    assert names
    assert names <= set(yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())["substitutions"])


def test_datasets_are_those_of_the_declared_tables(made):
    commands, _ = made
    contracts = load_contracts()
    tables = TableSet.of(contracts, load_metrics(None, contracts))
    dropped = {each[-1].partition(":")[2] for each in typed(commands, "bq", "rm")}
    assert dropped == set(tables.datasets())


def test_the_first_event_is_one_that_its_contract_takes(made):
    commands, _ = made
    [words] = typed(commands, "gcloud", "pubsub", "topics", "publish")
    payload = words[-1].partition("=")[2].encode()
    found = Decoder(load_contracts()).read(payload, None, None)
    assert not isinstance(found, Refusal), found
