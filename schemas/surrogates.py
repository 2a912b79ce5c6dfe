"""Lets JSON text with lone surrogates be taken apart.

JSON allows the escape of half a character, Unicode text does not, and so no decoder takes it. In an
unknown field it must not cost the event: it is hidden while the text is parted, and put back.
"""

import re

__all__ = ["has_hidden", "hide", "reveal"]

_ESCAPED = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u(?P<lone>[dD][89a-fA-F][0-9a-fA-F]{2})"
)
# Two characters that no text uses, around the digits; in UTF-8 too, as names are written anew.
_HIDDEN = re.compile(
    rb"(?:\\ue000|\xee\x80\x80)(?P<lone>[dD][89a-fA-F][0-9a-fA-F]{2})(?:\\ue001|\xee\x80\x81)"
)


def hide(payload: bytes) -> bytes:
    r"""Replace each lone surrogate by a mark that decodes.

    >>> hide(b'"\\ud800"')
    b'"\\ue000d800\\ue001"'
    """
    return _ESCAPED.sub(_mark, payload)


def _mark(found: re.Match[bytes]) -> bytes:
    lone = found["lone"]
    return found[0] if lone is None else b"\\ue000%b\\ue001" % lone


def has_hidden(text: bytes) -> bool:
    """Return whether there is a mark in the text."""
    return _HIDDEN.search(text) is not None


def reveal(text: bytes) -> bytes:
    """Put the surrogates back."""
    return _HIDDEN.sub(rb"\\u\g<lone>", text)
