"""The options by which a streaming job with state reads the archive before it relies on itself."""

from dataclasses import dataclass

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pipelines import shared_options as shared
from pipelines.option_words import Kind, Words
from pipelines.options import UsageError, duration, text
from schemas.events import MIN_MICROS
from transforms.follow_archive import runner_problem

__all__ = ["WARM", "WarmConfig"]

WARM = {
    "warm_from_archive": Words(
        "raw archive to read beside the subscription at the start",
        Kind.FOLDER,
        example="gs://my-archive",
    ),
    "warm_span": Words(
        "age of the oldest unacknowledged message (default: looked at)", Kind.DURATION, example="2h"
    ),
    "warm_source": Words(
        "source of that archive; needed where it holds several", example="my-events"
    ),
}
"""The options, for `add_options`; all but the first go with it, and it with a subscription."""

# Of a live job for which none is named; see `pipelines.job`.
_DEFAULT_RUNNER = "BundleBasedDirectRunner"


@dataclass(frozen=True)
class WarmConfig:
    """A warm start's constants; times in microseconds.

    `source` is empty where the only one of the archive is meant, and `start`, the publish time from
    which it is read, is before all, until the start is prepared. `span` is None where the
    subscription is to be looked at.
    """

    archive: str
    source: str
    span: int | None
    start: int = MIN_MICROS

    @classmethod
    def of(cls, given: PipelineOptions) -> "WarmConfig | None":
        """Check and convert the options; None where no archive is named.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        if not text(given.warm_from_archive):
            return None
        runner = given.view_as(StandardOptions).runner or _DEFAULT_RUNNER
        if problem := runner_problem([runner.rpartition(".")[2]]):
            msg = f"--warm_from_archive: {problem}"
            raise UsageError(msg)
        # What covers nothing, and so withholds nothing, has no such option.
        if text(getattr(given, "covers_from", None)):
            msg = "--covers_from: a warm start covers what it reads; leave it out"
            raise UsageError(msg)
        span = duration("warm_span", given.warm_span, "0") if text(given.warm_span) else None
        return cls(
            shared.archive("warm_from_archive", given.warm_from_archive, "warm_source"),
            shared.source("warm_source", given.warm_source),
            span,
        )
