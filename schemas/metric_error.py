"""The error of metric files."""

from schemas.declaration_error import DeclarationError, DeclarationKind

__all__ = ["METRICS", "MetricError"]


class MetricError(DeclarationError):
    """A metric file cannot be used; the text is one line: file, entry, problem, remedy."""


METRICS = DeclarationKind("metric", MetricError)
"""What messages call such files, and how they fail."""
