"""Local runs need no credentials, and do not look for any."""

import time

import google.auth
from apache_beam.internal.gcp import auth
from apache_beam.options.pipeline_options import PipelineOptions
from google.auth.credentials import AnonymousCredentials

from local.credentials import anonymous_credentials


def test_in_the_block_beam_and_the_clients_are_anonymous_at_once():
    before, find = auth._Credentials._credentials_init, google.auth.default
    began = time.monotonic()
    with anonymous_credentials("a-project"):
        found = auth.get_service_credentials(PipelineOptions())
        credentials, project = google.auth.default(scopes=["x"])
    assert time.monotonic() - began < 1
    assert isinstance(found.get_google_auth_credentials(), AnonymousCredentials)
    assert isinstance(credentials, AnonymousCredentials)
    assert project == "a-project"
    assert (auth._Credentials._credentials_init, google.auth.default) == (before, find)
