"""`penstock up` runs what can be run here, and says what cannot."""

from pathlib import Path

from console import local_services
from local.errors import MissingServiceError
from local.services import ALL


def test_all_services_are_run_where_each_has_its_python(monkeypatch):
    monkeypatch.setattr(local_services, "python_environment", lambda _: Path("/python"))
    assert local_services._obtainable() == list(ALL)


def test_without_a_python_for_bigquery_the_others_are_run(monkeypatch, capsys):
    def missing(_name: str) -> Path:
        msg = "it needs Python >= 3.11"
        raise MissingServiceError(msg)

    monkeypatch.setattr(local_services, "python_environment", missing)
    assert local_services._obtainable() == ["bigtable", "pubsub", "storage"]
    assert capsys.readouterr().err == "without BigQuery: it needs Python >= 3.11\n"
