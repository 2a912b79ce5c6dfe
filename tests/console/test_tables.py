"""`penstock tables create|diff|apply --project`: what is asked of BigQuery, and what is told."""

import json
import shutil
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from console import bigquery_access
from console.main import main
from schemas.contract import load_contracts
from schemas.metric_set import load_metrics
from schemas.table_names import Datasets
from schemas.table_set import TableSet
from schemas.tables import TableError
from tests.fake_datasets import FakeDatasets, serving
from tests.no_credentials import forget_credentials
from transforms import check_tables as checking
from transforms.check_tables import check_tables

pytestmark = pytest.mark.engine

SHIPPED = Path(__file__).parents[2] / "schemas"
PROJECT = "--project=my-project"
COLOUR = {"name": "colour", "type": ["null", "string"], "default": None}


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """A BigQuery of its own behind the command, with the ways of production."""
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    there = FakeDatasets()
    with serving(there) as address:
        client = client_of(address)
        monkeypatch.setattr(bigquery_access, "bigquery_client", lambda _: client)
        monkeypatch.setattr(bigquery_access, "require_credentials", lambda *_: None)
        monkeypatch.setattr(checking, "PATIENCE", 0.5)
        yield there


@pytest.fixture
def declared(tmp_path):
    """Options that name one contract and one metric."""
    contracts, metrics = tmp_path / "contracts/billing", tmp_path / "metrics"
    contracts.mkdir(parents=True)
    metrics.mkdir()
    for name in ("purchase", "refund"):
        shutil.copy(SHIPPED / f"contracts/billing/{name}.avsc", contracts)
    shutil.copy(SHIPPED / "metrics/purchases.yaml", metrics)
    return [f"--contracts={contracts.parent}", f"--metrics={metrics}"]


def client_of(address):
    options = {"api_endpoint": address}
    return bigquery.Client("my-project", AnonymousCredentials(), client_options=options)


def run(capsys, *argv):
    with pytest.raises(SystemExit) as left:
        main(["tables", *argv])
    printed = capsys.readouterr()
    return left.value.code, printed.out.splitlines(), printed.err


def evolve(declared, change):
    file = Path(declared[0].partition("=")[2]) / "billing/purchase.avsc"
    contract = json.loads(file.read_text())
    change(contract["fields"])
    file.write_text(json.dumps(contract))


def test_everything_is_created_once(capsys, fake, declared):
    status, out, err = run(capsys, "create", PROJECT, "--prefix=dev_", "--location=EU", *declared)
    assert (status, err) == (0, "")
    assert out[:3] == [f"created dataset dev_{name}" for name in ("silver_billing", "ops", "gold")]
    assert fake.datasets["dev_gold"]["location"] == "EU"
    assert fake.datasets["dev_ops"]["description"].endswith("for operators.")
    table = fake.tables["dev_silver_billing.purchase"]
    assert table["timePartitioning"] == {"type": "DAY", "field": "event_timestamp"}
    assert table["clustering"] == {"fields": ["user_id"]}
    assert "tableConstraints" not in table
    assert fake.tables["dev_ops.drift"]["timePartitioning"]["expirationMs"] == "31536000000"
    view = fake.tables["dev_gold.purchases"]["view"]
    assert "`my-project.dev_ops.panes_purchases`" in view["query"]
    assert view["useLegacySql"] is False
    fake.requests.clear()
    status, out, _ = run(capsys, "create", PROJECT, "--prefix=dev_", *declared)
    assert (status, out) == (
        0,
        [f"{len(fake.tables)} of {len(fake.tables)} tables and views were there already"],
    )
    assert run(capsys, "diff", PROJECT, "--prefix=dev_", *declared)[:2] == (0, ["no difference"])
    assert run(capsys, "apply", PROJECT, "--prefix=dev_", *declared)[:2] == (0, ["nothing to do"])
    assert fake.changes() == []


def test_keys_are_declared_only_where_it_is_asked_and_are_no_difference_then(
    capsys, fake, declared
):
    run(capsys, "create", PROJECT, "--primary-keys", *declared)
    key = fake.tables["silver_billing.purchase"]["tableConstraints"]
    assert key == {"primaryKey": {"columns": ["event_id"]}}
    assert run(capsys, "diff", PROJECT, *declared)[:2] == (0, ["no difference"])


def test_a_new_field_is_told_by_diff_and_brought_by_apply_with_the_view_of_it(
    capsys, fake, declared
):
    run(capsys, "create", PROJECT, *declared)
    evolve(declared, lambda fields: fields.append(COLOUR))
    told = "silver_billing.purchase: column event_details.colour is new, STRING"
    status, out, _ = run(capsys, "diff", PROJECT, *declared)
    assert (status, out) == (1, [f"change   {told}"])
    fake.requests.clear()
    status, out, _ = run(capsys, "apply", PROJECT, *declared)
    assert (status, out) == (0, [f"changed {told}"])
    patched = {path.split("datasets")[1]: body for _, path, body in fake.changes()}
    assert patched.keys() == {
        "/silver_billing/tables/purchase",
        "/silver_billing/tables/purchase_current",
    }
    assert patched["/silver_billing/tables/purchase"].keys() == {"schema"}
    assert patched["/silver_billing/tables/purchase_current"].keys() == {"view"}
    assert run(capsys, "diff", PROJECT, *declared)[0] == 0


def test_where_anything_is_refused_nothing_at_all_is_applied(capsys, fake, declared):
    run(capsys, "create", PROJECT, *declared)
    evolve(declared, lambda fields: fields.append(COLOUR))
    del fake.tables["gold.purchases"]
    fake.tables["ops.late"]["clustering"] = {"fields": ["event_id"]}
    fake.requests.clear()
    status, out, err = run(capsys, "apply", PROJECT, *declared)
    assert status == 1
    assert out == [
        "refused  ops.late: is not clustered by event_type;"
        " bq update --clustering_fields=event_type does that"
    ]
    assert err == "penstock: nothing was applied: what is refused above is to be mended first\n"
    assert fake.changes() == []
    status, out, _ = run(capsys, "diff", PROJECT, *declared)
    assert status == 1
    assert [line.split()[0] for line in out] == ["change", "refused", "missing"]
    assert run(capsys, "create", PROJECT, *declared)[:2] == (
        0,
        [
            "created gold.purchases",
            f"{len(fake.tables) - 1} of {len(fake.tables)} tables and views were there already",
            "some differ from what is declared: penstock tables diff says how",
        ],
    )


def test_own_contracts_need_no_own_metrics(capsys, fake, declared):
    status, out, err = run(capsys, "create", PROJECT, declared[0])
    assert status == 0
    assert {"created gold.purchases", "created gold.event_age"} <= {*out}
    assert "created gold.lesson_funnel" not in out
    assert err == (
        "penstock: left out, as these contracts do not have what they measure: lesson_funnel\n"
    )
    assert run(capsys, "diff", PROJECT, declared[0])[:2] == (0, ["no difference"])


def test_what_is_there_beyond_the_declaration_is_told_and_left(capsys, fake, declared):
    run(capsys, "create", PROJECT, *declared)
    more = {"name": "more", "type": "STRING", "mode": "NULLABLE"}
    fake.tables["ops.late"]["schema"]["fields"].append(more)
    status, out, _ = run(capsys, "diff", PROJECT, *declared)
    assert status == 1
    assert out[0].startswith("left     ops.late: column more is there and not declared")
    assert run(capsys, "apply", PROJECT, *declared)[:2] == (0, ["nothing to do"])


def test_a_view_that_somebody_changed_is_set_right(capsys, fake, declared):
    run(capsys, "create", PROJECT, *declared)
    query = fake.tables["gold.purchases"]["view"]["query"]
    fake.tables["gold.purchases"]["view"] = {"query": "SELECT 1"}
    assert run(capsys, "apply", PROJECT, *declared)[1] == ["changed gold.purchases: another query"]
    assert fake.tables["gold.purchases"]["view"]["query"] == query


def test_missing_datasets_are_told_and_made_where_the_others_are(capsys, fake, declared):
    run(capsys, "create", PROJECT, "--location=EU", *declared)
    del fake.datasets["gold"], fake.tables["gold.purchases"]
    assert run(capsys, "diff", PROJECT, *declared)[:2] == (1, ["missing  dataset gold"])
    _, out, _ = run(capsys, "apply", PROJECT, *declared)
    assert out == ["created dataset gold", "created gold.purchases"]
    assert fake.datasets["gold"]["location"] == "EU"


def test_somebody_who_changes_a_table_meanwhile_is_not_overwritten(capsys, fake, declared):
    run(capsys, "create", PROJECT, *declared)
    evolve(declared, lambda fields: fields.append(COLOUR))
    failure = (412, "conditionNotMet", "Precondition Failed")
    fake.failures[("PATCH", "/purchase")] = failure
    status, _, err = run(capsys, "apply", PROJECT, *declared)
    assert status == 2
    assert "silver_billing.purchase: somebody else changed it meanwhile; try again" in err


@pytest.mark.parametrize(
    ("failing", "failure", "words"),
    [
        (
            ("GET", "/datasets/"),
            (404, "notFound", "Not found: Project my-project"),
            "Not found: Project my-project; check the project and the prefix",
        ),
        (
            ("GET", "/datasets/"),
            (403, "accessDenied", "Access Denied: Dataset my-project:ops"),
            "Access Denied: Dataset my-project:ops; check the project, and ask for the role",
        ),
        (
            ("POST", "/datasets"),
            (403, "accessDenied", "Access Denied: no bigquery.datasets.create"),
            "no bigquery.datasets.create; check the project, and ask for the role",
        ),
        (
            ("POST", "/tables"),
            (400, "invalid", "Invalid value: a\nlong story"),
            "silver_billing.purchase: Invalid value: a long story; check the names",
        ),
    ],
    ids=["no project", "no look", "no dataset", "no table"],
)
def test_a_failure_is_one_line_with_the_remedy(capsys, fake, declared, failing, failure, words):
    fake.failures[failing] = failure
    status, _, err = run(capsys, "create", PROJECT, *declared)
    assert status == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_a_service_that_stays_down_is_told_with_its_cause(capsys, fake, declared, monkeypatch):
    monkeypatch.setattr(checking, "wait", lambda: bigquery.DEFAULT_RETRY.with_timeout(0.2))
    monkeypatch.setattr(bigquery_access, "wait", checking.wait)
    fake.failures[("GET", "/datasets/")] = (503, "backendError", "Try later")
    status, _, err = run(capsys, "diff", PROJECT, *declared)
    assert status == 2
    assert "silver_billing: Try later; check the names, and that the service runs" in err


def test_datasets_of_two_locations_are_refused_before_anything_is_made(capsys, fake, declared):
    run(capsys, "create", PROJECT, "--location=EU", *declared)
    for argv in (["create", "--location=US"], ["apply", "--location=US"]):
        status, _, err = run(capsys, *argv, PROJECT, *declared)
        assert status == 2
        assert "dataset silver_billing is in EU and not in US, and no query reads both" in err
    fake.datasets["gold"]["location"] = "US"
    status, _, err = run(capsys, "diff", PROJECT, *declared)
    assert status == 2
    assert "dataset gold is in US and not in EU" in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["create"], "--bigtable_table is missing, or --project"),
        (["create", PROJECT, "--bigtable_table=t"], "they name tables of two services"),
        (["create", "--project=Mine"], "'Mine' is no project"),
        (["create", PROJECT, "--prefix=dev-"], "'dev-' is no prefix"),
        (["create", PROJECT, "--contracts=/nowhere"], "/nowhere: no such folder"),
        (["create", PROJECT, "--metrics=/nowhere"], "/nowhere"),
        (["diff"], "name two tables of Bigtable, A and B, or --project"),
        (["diff", "a"], "name two tables of Bigtable, A and B, or --project"),
        (["diff", "a", "b", PROJECT], "name two tables of Bigtable, A and B, or --project"),
        (["apply"], "Missing option '--project'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_status_two(capsys, monkeypatch, argv, words):
    monkeypatch.delenv("PENSTOCK_TABLE", raising=False)
    status, _, err = run(capsys, *argv)
    assert status == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["create", "diff", "apply"])
def test_missing_credentials_are_one_line(capsys, monkeypatch, tmp_path, command):
    forget_credentials(monkeypatch, tmp_path)
    # A table of another service that the shell has named is none of this command's business.
    monkeypatch.setenv("PENSTOCK_TABLE", "projects/p/instances/i/tables/t")
    status, _, err = run(capsys, command, PROJECT)
    assert status == 2
    assert err == (
        "penstock: --project=my-project: no Google Cloud credentials; run gcloud auth"
        " application-default login, or export BIGQUERY_EMULATOR_HOST\n"
    )


def test_a_launch_is_told_in_one_line_what_keeps_its_rows_out(fake, declared, capsys):
    run(capsys, "create", PROJECT, *declared)
    contracts = load_contracts(declared[0].partition("=")[2])
    tables = TableSet.of(contracts, load_metrics(None, load_contracts())).tables
    datasets, client = Datasets("my-project"), bigquery_access.bigquery_client("")
    with pytest.raises(TableError) as caught:
        check_tables(client, datasets, tables)
    assert str(caught.value) == (
        "no such table: my-project.ops.panes_activity, my-project.ops.panes_event_age,"
        " my-project.ops.panes_lesson_funnel and 1 more;"
        " `penstock tables create --project=my-project` makes it"
    )
    there = [table for table in tables if f"{table.full_name}" in fake.tables]
    check_tables(client, datasets, there)
    fake.tables["ops.late"]["schema"]["fields"][0]["type"] = "INTEGER"
    with pytest.raises(TableError) as caught:
        check_tables(client, datasets, there)
    assert str(caught.value) == (
        "my-project.ops.late: column event_id is INTEGER and not STRING; give what is new another"
        " name, or write into new tables (--prefix);"
        " `penstock tables apply --project=my-project` adds what can be added"
    )
    fake.failures[("GET", "/tables/")] = (403, "accessDenied", "Access Denied")
    with pytest.raises(TableError, match=r"my-project\.silver_billing\.purchase: Access Denied; "):
        check_tables(client, datasets, there)
