"""Names of the suite's counters, in one namespace, so that an audit can add them up.

Conservation: `read` = `accepted` + the sum of `rejected.<reason>` + `duplicate` + `conflict` +
`late`; per sink `mutations` = `written` + `refused`. Counters are exact where the engine retried
nothing; a retried bundle counts twice on engines that report attempts.
"""

from apache_beam.metrics import Metrics

__all__ = ["NAMESPACE", "announce", "counter", "distribution", "rejected_counter"]

NAMESPACE = "penstock"


def counter(name: str) -> Metrics.DelegatingCounter:
    """Return the suite's counter of this name."""
    return Metrics.counter(NAMESPACE, name)


def announce(*counters: Metrics.DelegatingCounter) -> None:
    """Let the engine hear of counters at the start of a bundle that counts at its end.

    Prism (2.77) asks once what a counter is called, when it first meets it. Of two bundles that
    bring it at the same moment only one's count survives; known beforehand, both do.
    """
    for each in counters:
        each.inc(0)


def rejected_counter(reason: str) -> Metrics.DelegatingCounter:
    """Return the counter of one reason code; a code is never made from input."""
    return counter(f"rejected.{reason}")


def distribution(name: str) -> Metrics.DelegatingDistribution:
    """Return the suite's distribution of this name."""
    return Metrics.distribution(NAMESPACE, name)
