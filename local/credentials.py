"""Credentials for local services: none. Without this Beam's first use of Cloud Storage stalls.

For laptops and tests only; a job on Dataflow never imports it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import google.auth
from apache_beam.internal.gcp import auth
from google.auth.credentials import AnonymousCredentials

__all__ = ["anonymous_credentials", "preset_anonymous_credentials"]


def preset_anonymous_credentials(project: str) -> None:
    """Make Beam and the Google clients of this process anonymous, for good.

    Beam would look for credentials for half a minute, and ask a metadata server that is not there.
    """
    for patch in _patches(project):
        patch.start()


@contextmanager
def anonymous_credentials(project: str) -> Iterator[None]:
    """Make Beam and the Google clients of this process anonymous while the block lasts."""
    patches = _patches(project)
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def _patches(project: str) -> Sequence[Any]:
    anonymous = AnonymousCredentials()
    adapted = auth._ApitoolsCredentialsAdapter(anonymous)
    holder = auth._Credentials
    return (
        mock.patch.object(holder, "_credentials_init", new=True),
        mock.patch.object(holder, "_credentials", adapted),
        mock.patch.object(google.auth, "default", lambda *_, **__: (anonymous, project)),
    )
