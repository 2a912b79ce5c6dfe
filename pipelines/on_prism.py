"""What a job does for Prism to lose neither state nor counts."""

from collections.abc import Iterator
from contextlib import contextmanager

from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, StandardOptions

from pipelines.short_ids import learned_one_at_a_time

__all__ = ["on_prism"]

_UNSPLIT = "prism_disable_sdf_split"


@contextmanager
def on_prism(options: PipelineOptions) -> Iterator[None]:
    """Where Prism is the engine, have it lose nothing while the block lasts; else do nothing.

    Prism (2.77) splits slow bundles of stateful steps like those of splittable ones, also between
    two elements of one key, and runs both parts at once: what one puts into state is lost. An
    archive job lost half of a batch of large messages so. It is told to split no bundle while it
    runs; a source's own turns are not touched. For counts see `short_ids`.
    """
    runner = options.view_as(StandardOptions).runner or ""
    if runner.rpartition(".")[2] != "PrismRunner":
        yield
        return
    options.view_as(DebugOptions).add_experiment(_UNSPLIT)
    with learned_one_at_a_time():
        yield
