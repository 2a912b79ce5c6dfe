"""The one kind of error that local services raise for what a person can mend."""

__all__ = ["MissingServiceError", "ServiceError"]


class ServiceError(RuntimeError):
    """A service could not be found, built, started or reached: one line that names the remedy."""


class MissingServiceError(ServiceError):
    """The service is not on this machine and cannot be built here."""
