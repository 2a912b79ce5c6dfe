"""The same on Prism, an engine for streams; its start is within the seconds, a second or two."""

from collections.abc import Callable

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from benchmarks.bench_stream_count import count
from benchmarks.contender import main
from local.binaries import prism_binary

__all__ = ["run"]


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    options = PipelineOptions(
        runner="PrismRunner",
        prism_location=str(prism_binary()),
        environment_type="LOOPBACK",
        experiments=["prism_disable_sdf_split"],
    )
    return count(path, beam.Pipeline(options=options))


if __name__ == "__main__":
    main(run)
