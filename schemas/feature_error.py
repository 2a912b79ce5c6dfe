"""The one error of feature files."""

__all__ = ["FeatureError"]


class FeatureError(ValueError):
    """A feature file cannot be used; the text is one line: file, feature, problem, remedy."""
