"""Names of the suite's counters, in one namespace, so that an audit can add them up.

Conservation: `read` = `accepted` + the sum of `rejected.<reason>` + `duplicate` + `conflict` +
`late`; per sink `mutations` = `written` + `refused`. Counters are exact where the engine retried
nothing; a retried bundle counts twice on engines that report attempts.
"""

from apache_beam.metrics import Metrics

__all__ = ["NAMESPACE", "counter", "distribution", "rejected_counter"]

NAMESPACE = "penstock"


def counter(name: str) -> Metrics.DelegatingCounter:
    """Return the suite's counter of this name."""
    return Metrics.counter(NAMESPACE, name)


def rejected_counter(reason: str) -> Metrics.DelegatingCounter:
    """Return the counter of one reason code; a code is never made from input."""
    return counter(f"rejected.{reason}")


def distribution(name: str) -> Metrics.DelegatingDistribution:
    """Return the suite's distribution of this name."""
    return Metrics.distribution(NAMESPACE, name)
