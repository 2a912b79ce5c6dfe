"""The key of the pseudonyms: where it comes from, and how it stays out of everything else."""

import hmac
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

__all__ = ["PseudonymError", "PseudonymKey", "key_text"]

_RESOURCE = re.compile(r"projects/[^/]+/secrets/[^/]+/versions/[^/]+\Z")
_MOST_BYTES = 65_536
"""What Secret Manager keeps of a secret; a path could name anything."""
_EXPLICIT = re.compile(rb"([A-Za-z0-9_-]{1,32}):(.+)\Z", re.DOTALL)


class PseudonymError(ValueError):
    """There is no usable key, in one line: which key, problem, remedy."""


@dataclass(frozen=True)
class PseudonymKey:
    """A secret and the id that stands in front of every pseudonym made with it.

    It cannot be pickled, so that it reaches neither a job's graph nor its options.
    """

    key_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, content: bytes) -> "PseudonymKey":
        """Read a key: `<key id>:<secret>`, or a secret alone, whose id is then derived from it.

        A line break at the end does not count.

        >>> PseudonymKey.of(b"2026:0123456789abcdef").key_id
        '2026'
        """
        content = content.rstrip(b"\r\n")
        explicit = _EXPLICIT.match(content)
        if explicit:
            return cls(explicit.group(1).decode(), explicit.group(2))
        return cls(hmac.digest(content, b"penstock key id", "sha256").hex()[:8], content)

    def __reduce__(self) -> NoReturn:
        message = "a pseudonym key is never pickled; load it where it is used"
        raise TypeError(message)


def key_text(location: str) -> bytes:
    """Read a key, or a ring of them, where an option says it is; the option never holds it itself.

    Args:
        location: `projects/P/secrets/S/versions/V` (Secret Manager), `env:NAME`, `file:PATH` or a
            path.

    Raises:
        PseudonymError: there is none.
    """
    if _RESOURCE.match(location):
        return _read_secret(location)
    if location.startswith("env:"):
        name = location.removeprefix("env:")
        if not name:
            message = f"pseudonym key {location} names no variable; write env:NAME"
            raise PseudonymError(message)
        if name not in os.environ:
            message = f"pseudonym key {location}: not set; export {name}"
            raise PseudonymError(message)
        return os.environb[name.encode()]
    path = Path(location.removeprefix("file:"))
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = "give projects/P/secrets/S/versions/V, env:NAME or a file"
        message = f"pseudonym key {location}: {reason}; {remedy}"
        raise PseudonymError(message) from None
    if len(content) > _MOST_BYTES:
        message = f"pseudonym key {location}: more than {_MOST_BYTES} bytes; check the file"
        raise PseudonymError(message)
    return content


def _read_secret(name: str) -> bytes:
    # Imported only where it is used: it takes a second, and most jobs have it cost nothing.
    from google.cloud import secretmanager  # noqa: PLC0415

    try:
        client = secretmanager.SecretManagerServiceClient()
        payload: bytes = client.access_secret_version(name=name).payload.data
    except DefaultCredentialsError:
        remedy = "run gcloud auth application-default login, or give env:NAME or a file"
        message = f"pseudonym key {name}: no Google Cloud credentials; {remedy}"
        raise PseudonymError(message) from None
    except (GoogleAPIError, GoogleAuthError) as error:
        remedy = "grant roles/secretmanager.secretAccessor, or correct the name"
        message = f"pseudonym key {name}: {type(error).__name__}; {remedy}"
        raise PseudonymError(message) from None
    return payload
