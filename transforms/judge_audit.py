"""Whether an audit that nobody watches has found something that must not be."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.quality import Finding
from transforms.counters import counter

__all__ = ["AuditFailedError", "JudgeAudit", "Outcome"]


class AuditFailedError(RuntimeError):
    """Checks of severity `error` failed: one line."""


class Outcome(NamedTuple):
    """How many checks an audit has made, and how many failed, by severity."""

    checks: int
    failed: int
    warned: int

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> "Outcome":
        """Count findings.

        >>> Outcome.of([Finding("c", "t", "o", "warn", 1, "at most 0", False)])
        Outcome(checks=1, failed=0, warned=1)
        """
        found = list(findings)
        failed = sum(each.is_error for each in found)
        return cls(len(found), failed, sum(not each.passed for each in found) - failed)


@dataclass
class JudgeAudit(beam.PTransform[PCollection[Outcome], PCollection[Outcome]]):
    """Outcomes of audits -> those without an error; counted.

    Raises:
        AuditFailedError: a check of severity `error` failed, so the job fails too.
    """

    def expand(self, outcomes: PCollection[Outcome]) -> PCollection[Outcome]:
        """Count, and fail."""
        return outcomes | "Judge" >> beam.Map(_judged)


def _judged(outcome: Outcome) -> Outcome:
    counter("checks").inc(outcome.checks)
    counter("checks_failed").inc(outcome.failed)
    counter("checks_warned").inc(outcome.warned)
    if outcome.failed:
        msg = f"{outcome.failed} checks of severity error failed; ops.audit has them by run"
        raise AuditFailedError(msg)
    return outcome
