"""What needs Google's services says at once that there are no credentials."""

import json
from types import MappingProxyType

import google.auth
import pytest
from google.auth import exceptions
from google.auth.transport import requests

from schemas import credentials
from schemas.contract import load_contracts
from schemas.credentials import BIGTABLE, STORAGE, CredentialsError, require_credentials
from schemas.feature_set import load_features
from tests.no_credentials import forget_credentials

FIND_ON_MACHINE = google.auth._default._get_gce_credentials
USER = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    forget_credentials(monkeypatch, tmp_path)
    yield
    credentials._find.cache_clear()


def test_without_credentials_one_line_names_what_needs_them_and_the_remedy():
    with pytest.raises(CredentialsError) as raised:
        require_credentials("--cells_output=gs://b/x")
    assert str(raised.value) == (
        "--cells_output=gs://b/x: no Google Cloud credentials; "
        "run gcloud auth application-default login, or export STORAGE_EMULATOR_HOST"
    )


def test_an_emulator_needs_none(monkeypatch):
    monkeypatch.setenv(STORAGE, "http://127.0.0.1:1")
    require_credentials("gs://b/x")
    with pytest.raises(CredentialsError, match="export BIGTABLE_EMULATOR_HOST"):
        require_credentials("a table", BIGTABLE)


def test_credentials_of_a_file_are_enough(monkeypatch, tmp_path):
    file = tmp_path / "user.json"
    file.write_text(json.dumps(USER))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    require_credentials("gs://b/x")


def test_a_named_file_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    with pytest.raises(CredentialsError, match=r"=/nowhere\.json cannot be used; run gcloud"):
        require_credentials("gs://b/x")


class Metadata:
    """An answer of the server that machines of Google Cloud have."""

    status = 200
    headers = MappingProxyType({"metadata-flavor": "Google", "content-type": "text/plain"})
    data = b"p"


def answering(monkeypatch, answer):
    """Have the metadata server answer so; return the list of the patience of each request."""
    patience = []

    def request(self, url, method="GET", body=None, headers=None, timeout=120, **more):
        patience.append(timeout)
        return answer()

    monkeypatch.setattr(google.auth._default, "_get_gce_credentials", FIND_ON_MACHINE)
    monkeypatch.setattr(requests.Request, "__call__", request)
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda seconds: None)
    return patience


def unreachable():
    raise exceptions.TransportError("no route to host")


def test_a_machine_of_google_cloud_has_credentials(monkeypatch):
    patience = answering(monkeypatch, Metadata)
    require_credentials("gs://b/x")
    assert set(patience) == {1.0}


def test_a_metadata_server_that_is_not_there_is_not_waited_for(monkeypatch, caplog):
    patience = answering(monkeypatch, unreachable)
    with pytest.raises(CredentialsError):
        require_credentials("gs://b/x")
    assert patience == [1.0, 1.0, 1.0]
    assert not caplog.records


def test_what_was_found_once_is_not_looked_for_again(monkeypatch):
    asked = []
    monkeypatch.setattr(google.auth, "default", lambda **named: asked.append(named))
    require_credentials("gs://b/x")
    require_credentials("gs://b/y")
    assert len(asked) == 1


def test_contracts_and_features_in_a_bucket_ask_before_they_are_read():
    shipped = load_contracts()
    for load in (load_contracts, lambda folder: load_features(folder, shipped)):
        with pytest.raises(CredentialsError, match="gs://b/folder: no Google Cloud credentials"):
            load("gs://b/folder")
