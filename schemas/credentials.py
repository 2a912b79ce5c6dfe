"""Whether Google's services can be used at all, asked before a client waits for minutes to see."""

import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import google.auth
from google.auth.exceptions import DefaultCredentialsError
from google.auth.transport import requests

__all__ = ["BIGQUERY", "BIGTABLE", "PUBSUB", "STORAGE", "CredentialsError", "require_credentials"]

STORAGE = "STORAGE_EMULATOR_HOST"
BIGTABLE = "BIGTABLE_EMULATOR_HOST"
BIGQUERY = "BIGQUERY_EMULATOR_HOST"
PUBSUB = "PUBSUB_EMULATOR_HOST"

_GIVEN = "GOOGLE_APPLICATION_CREDENTIALS"
_PATIENCE = 1.0


class CredentialsError(ValueError):
    """There are no credentials: one line that names what needs them, and the remedy."""


def require_credentials(what: str, emulator: str = STORAGE) -> None:
    """Raise where neither credentials nor an emulator are there for `what`; takes seconds at most.

    Finding them is left to google-auth, on a machine of Google Cloud by its metadata server; the
    credentials are not used, so they may still be refused later.

    Args:
        what: what needs them, for the message.
        emulator: the variable that names an emulator, which needs none.

    Raises:
        CredentialsError: there are none, or those that are named cannot be read.
    """
    if os.environ.get(emulator):
        return
    try:
        _find()
    except DefaultCredentialsError:
        named = os.environ.get(_GIVEN)
        there = f"{_GIVEN}={named} cannot be used" if named else "no Google Cloud credentials"
        msg = f"{what}: {there}; run gcloud auth application-default login, or export {emulator}"
        raise CredentialsError(msg) from None


@functools.cache
def _find() -> None:
    with _quietly():
        google.auth.default(request=_ImpatientRequest())


class _ImpatientRequest(requests.Request):
    """Waits a second for the metadata server, which on its own machines answers at once."""

    def __call__(self, url: str, *given: Any, **named: Any) -> Any:
        if url.startswith("http:"):
            named["timeout"] = _PATIENCE
        return super().__call__(url, *given, **named)


@contextmanager
def _quietly() -> Iterator[None]:
    """Let one line say that nothing was found, not one for each place that was looked at."""
    logger = logging.getLogger("google.auth")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
