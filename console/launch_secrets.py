"""Tells what looks like a secret, where none belongs."""

import re

__all__ = ["looks_secret"]

_KEY_OF_PSEUDONYMS = r"[A-Za-z0-9_-]{1,32}:(?!//)(?=[^\d]*\d)[A-Za-z0-9+/=_-]{32,}"
_BARE_KEY = r"[0-9a-f]{64}|[0-9A-F]{64}"
_OF_GOOGLE = r"-----BEGIN |AIza[\w-]{35}|ya29\.[\w-]{20}"
_SECRET = re.compile(rf"(?:\w+=)?(?:{_KEY_OF_PSEUDONYMS}|{_BARE_KEY})\Z|.*(?:{_OF_GOOGLE})")


def looks_secret(text: str) -> bool:
    """Return whether a text has the form of a key of pseudonyms, or of one of Google's secrets.

    >>> looks_secret("2026a:" + "0123456789abcdef" * 2), looks_secret("gs://b/" + "0" * 64)
    (True, False)
    """
    return _SECRET.match(text) is not None
