"""What is done for Prism so that it loses neither state nor counts."""

import pytest
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions
from apache_beam.runners.worker import sdk_worker

from pipelines.on_prism import on_prism


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--runner=PrismRunner"], ["prism_disable_sdf_split"]),
        (["--runner=PrismRunner", "--experiments=own"], ["own", "prism_disable_sdf_split"]),
        (["--runner=apache_beam.runners.PrismRunner"], ["prism_disable_sdf_split"]),
        (["--runner=DataflowRunner"], []),
        ([], []),
    ],
)
def test_only_prism_is_told_to_keep_bundles_whole(argv, told):
    options = PipelineOptions(argv)
    with on_prism(options):
        pass
    assert (options.view_as(DebugOptions).experiments or []) == told


def test_the_names_of_counters_are_the_usual_ones_after_a_job():
    usual = sdk_worker.SHORT_ID_CACHE
    with pytest.raises(KeyError), on_prism(PipelineOptions(["--runner=PrismRunner"])):
        assert sdk_worker.SHORT_ID_CACHE is not usual
        raise KeyError
    assert sdk_worker.SHORT_ID_CACHE is usual
    with on_prism(PipelineOptions(["--runner=DataflowRunner"])):
        assert sdk_worker.SHORT_ID_CACHE is usual
