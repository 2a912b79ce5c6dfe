"""The error of feature files."""

from schemas.declaration_error import DeclarationError, DeclarationKind

__all__ = ["FEATURES", "FeatureError"]


class FeatureError(DeclarationError):
    """A feature file cannot be used; the text is one line: file, feature, problem, remedy."""


FEATURES = DeclarationKind("feature", FeatureError)
"""What messages call such files, and how they fail."""
