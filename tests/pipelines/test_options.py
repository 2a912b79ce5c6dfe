"""What the command lines of all jobs have in common."""

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.hot_path_options import HotPathOptions
from pipelines.options import add_options, parse_options


class OtherOptions(PipelineOptions):
    """The options of another job, some of which have the names of the hot path's."""

    @classmethod
    def _add_argparse_args(cls, parser):
        add_options(parser, {"source": {"input_files": "files", "another_folder": "a folder"}})


def test_jobs_with_options_of_the_same_name_live_in_one_process():
    given = ["--input_files=a", "--another_folder=b"]
    assert parse_options(given, HotPathOptions, "").view_as(HotPathOptions).input_files == "a"
    others = parse_options(given, OtherOptions, "").view_as(OtherOptions)
    assert (others.input_files, others.another_folder) == ("a", "b")
