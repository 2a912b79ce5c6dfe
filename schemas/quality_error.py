"""The error of files that declare checks."""

from schemas.declaration_error import DeclarationError, DeclarationKind

__all__ = ["QUALITY", "QualityError"]


class QualityError(DeclarationError):
    """A file of checks cannot be used; the text is one line: file, entry, problem, remedy."""


QUALITY = DeclarationKind("quality", QualityError)
"""What messages call such files, and how they fail."""
