"""A streaming job behind a job server is told which of Flink's settings it lacks."""

import logging

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pipelines import hot_path
from pipelines.on_portable import on_portable

INTERVAL, BUNDLES = "--checkpointing_interval=2000", "--finish_bundle_before_checkpointing"


def warned(caplog, *argv, runner="PortableRunner", streaming=True):
    options = PipelineOptions([])
    options.view_as(StandardOptions).runner = runner
    options.view_as(StandardOptions).streaming = streaming
    caplog.clear()
    on_portable(argv, options)
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_what_a_stream_lacks_is_told_in_one_line(caplog):
    [both] = warned(caplog)
    assert "--checkpointing_interval is not given: without checkpoints nothing is ever" in both
    assert "--finish_bundle_before_checkpointing is not given" in both
    assert "\n" not in both
    [one] = warned(caplog, INTERVAL, runner="apache_beam.runners.FlinkRunner")
    assert "checkpointing_interval" not in one
    [other] = warned(caplog, BUNDLES)
    assert "finish_bundle" not in other
    assert "docs/engines.md" in other


@pytest.mark.parametrize(
    ("argv", "runner", "streaming"),
    [
        ((INTERVAL, BUNDLES), "PortableRunner", True),
        ((), "PortableRunner", False),
        ((), "PrismRunner", True),
        ((), "DataflowRunner", True),
    ],
)
def test_others_are_told_nothing(caplog, argv, runner, streaming):
    assert warned(caplog, *argv, runner=runner, streaming=streaming) == []


def test_a_launch_warns_before_it_reaches_for_the_job_server(caplog, monkeypatch, tmp_path):
    def launched(**_):
        raise InterruptedError

    monkeypatch.setattr("pipelines.job.beam.Pipeline", launched)
    with pytest.raises(InterruptedError):
        hot_path.run(
            [
                "--input_subscription=projects/p/subscriptions/s",
                f"--cells_output={tmp_path}/cells",
                f"--late_output={tmp_path}/late",
                f"--quarantine_output={tmp_path}/quarantine",
                "--pubsub_source=portable",
                "--covers_from=beginning",
                "--runner=PortableRunner",
                INTERVAL,
            ]
        )
    assert [each for each in caplog.messages if "on Flink --finish_bundle_before" in each]
