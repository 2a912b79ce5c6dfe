"""Jobs whose refused messages no release brings back: what they write is made anew by themselves.

A release fills the rows of the hot path. Tables are filled from the archive: rows that are there
stay as they are, and windows that are computed anew supersede the old ones.
"""

from schemas.rejected import Reason, Rejected

__all__ = ["CURATED", "FILLED", "INSTEAD", "MEASURED", "other_job"]

CURATED = "curate_events"
FILLED = "fill_from_drift"
MEASURED = "window_metrics"
INSTEAD = {
    CURATED: "python -m pipelines.curate_events",
    FILLED: "python -m pipelines.curate_events",
    MEASURED: "python -m pipelines.recompute_windows",
}
"""What is run over the span, with `--input_archive`, `--from` and `--to`."""
_STEPS = {"Curate": CURATED, "FillFromDrift": FILLED, "ExtractParts": MEASURED}


def other_job(record: Rejected) -> str | None:
    """Return the job beside the hot path that refused a record, None: it was the hot path.

    A refused change of a Bigtable row is none of it: whoever made it, it can be applied again.

    >>> one = Rejected("Decode", "not_json", "", b"{", {}, "7", "", None, 5)
    >>> import msgspec
    >>> other_job(one), other_job(msgspec.structs.replace(one, job="curate_events"))
    (None, 'curate_events')
    """
    if record.reason == Reason.MUTATION_REFUSED.value:
        return None
    return record.job if record.job in INSTEAD else _STEPS.get(record.step)
