"""Lines of files get a publish time, and their packs its timestamp."""

import apache_beam as beam

from schemas.packs import RawPack
from tests.engine import run_batch
from transforms.stamp_published import StampPublished

NOW = 1_767_225_600_000_000


def test_what_has_no_publish_time_gets_one_and_the_rest_keeps_its_own():
    packs = [RawPack([b"a"]), RawPack([b"b", b"c"], [None, NOW - 7])]

    def build(pipeline):
        made = pipeline | beam.Create(packs) | StampPublished(NOW)
        return {"out": made | beam.Map(lambda pack, at=beam.DoFn.TimestampParam: (pack, at.micros))}

    found = {pack.payloads[0]: (pack.publish_times, at) for pack, at in run_batch(build)["out"]}
    assert found == {b"a": ([NOW], NOW), b"b": ([NOW, NOW - 7], NOW - 7)}
