"""What becomes of refused records in a release, as counters: in all, and by step and reason."""

from schemas.rejected import Rejected
from transforms.counters import counter

__all__ = ["OUTCOMES", "Outcome", "count_outcome"]


class Outcome:
    """What may become of a record; each is a counter."""

    ALREADY_RELEASED = "already_released"
    """It stands in the ledger."""
    EXHAUSTED = "exhausted"
    """It was handed in as often as is allowed."""
    UNRELEASABLE = "unreleasable"
    """No release can mend its reason, such as a conflict of ids."""
    OTHER_TABLE = "other_table"
    """A change of a row that was meant for another table than this run writes."""
    OTHER_JOB = "other_job"
    """Refused by a job whose rows a release does not fill; counted by that job, too."""
    STILL_BAD = "still_bad"
    """Refused again: it stays, with a higher attempt."""
    NOT_YET = "not_yet"
    """Good now; what it touches is not closed yet: it stays as it is."""
    NOW_GOOD = "now_good"
    """Good now, and what it touches can be repaired; or a change that can be applied again."""
    RELEASED = "released"
    """Its rows are written; it goes to the ledger."""
    NOT_ARCHIVED = "not_archived"
    """Good now, and not in the archive: it stays as it is."""
    CONFLICT = "conflict_found"
    """Good now, and its id belongs to another event: it stays, as a conflict."""
    REFUSED_AGAIN = "refused_again"
    """A change that the table refused again: it stays, with a higher attempt."""
    REPAIRED_LATER = "repaired_later"
    """A change of nothing but tiles that were repaired since; it goes to the ledger."""


OUTCOMES = tuple(value for name, value in vars(Outcome).items() if name.isupper())


def count_outcome(outcome: str, record: Rejected) -> None:
    """Count a record, in all and by its step and reason."""
    counter(outcome).inc()
    counter(f"{outcome}.{record.step}.{record.reason}").inc()
