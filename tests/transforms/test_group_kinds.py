"""Groups of several kinds: nothing is lost, whatever the kinds and however often one looks."""

import apache_beam as beam
import pytest

from schemas.cells import Cell, RowChange
from schemas.rejected import Rejected
from tests.engine import run_batch
from transforms.group_kinds import GroupKinds, of_kind

CHANGE = RowChange(b"r", [Cell("t", "views", 5_000, b"x", 0)])
RECORD = Rejected("Decode", "not_json", "", b"{", {"a": "b"}, "7", "", None, 5)


def _taken(group):
    key, values = group
    kinds = (bytes, RowChange, Rejected)
    for _ in range(2):
        found = [list(of_kind(values, n, kind)) for n, kind in enumerate(kinds)]
    return key, [sorted(found[0]), *found[1:]]


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_each_value_comes_back_as_it_was_under_its_key_and_kind(bundle_repeat):
    def build(pipeline):
        given = (
            pipeline
            | "A"
            >> beam.Create([(1, b"a"), (2, b""), (1, b"b")]).with_output_types(tuple[int, bytes]),
            pipeline | "B" >> beam.Create([(1, CHANGE)]).with_output_types(tuple[int, RowChange]),
            pipeline | "C" >> beam.Create([(3, RECORD)]).with_output_types(tuple[int, Rejected]),
        )
        grouped = given | GroupKinds(int, (bytes, RowChange, Rejected))
        return {"groups": grouped | beam.Map(_taken)}

    groups = dict(run_batch(build, bundle_repeat)["groups"])
    assert groups == {
        1: [[b"a", b"b"], [CHANGE], []],
        2: [[b""], [], []],
        3: [[], [], [RECORD]],
    }


def test_as_many_kinds_as_inputs_are_needed():
    pipeline = beam.Pipeline()
    one = pipeline | beam.Create([(1, b"a")]).with_output_types(tuple[int, bytes])
    with pytest.raises(ValueError, match="zip"):
        _ = (one,) | GroupKinds(int, (bytes, RowChange))
