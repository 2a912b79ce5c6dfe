import apache_beam as beam
import pytest

from schemas.metric_set import load_metrics
from schemas.rejected import Rejected
from tests.engine import run_batch
from tests.metric_builders import BASE, CONTRACTS, MINUTE, told
from transforms import extract_reject_parts
from transforms.extract_reject_parts import ExtractRejectParts
from transforms.pack_parts import part_shard

METRICS = load_metrics(None, CONTRACTS)


def rejected(reason="not_json", published=BASE):
    return Rejected("Decode", reason, "", b"planted-secret", {}, "m", "", None, published)


def run(rejects, bundle_repeat=0):
    def build(pipeline):
        source = pipeline | beam.Create([None])
        given = source | beam.FlatMap(lambda _: rejects).with_output_types(Rejected)
        return {"parts": given | ExtractRejectParts(METRICS, 4)}

    return run_batch(build, bundle_repeat)


def parts(outcome):
    return [part for _, pack in outcome["parts"] for part in pack.parts]


def test_rejects_of_a_bundle_are_counted_by_their_publish_time():
    outcome = run([rejected(), rejected(), rejected("bad_id", BASE + MINUTE)])
    found = told(parts(outcome), METRICS)
    assert found["rejects", MINUTE, BASE, ("not_json", "Decode")] == (2, {"messages": 2})
    assert found["rejects", 5 * MINUTE, BASE, ("bad_id", "Decode")] == (1, {"messages": 1})
    assert len(found) == 4
    for shard, pack in outcome["parts"]:
        assert {part_shard(part.metric, part.key, 4) for part in pack.parts} == {shard}
    assert outcome.counters == {"rejects_measured": 3}


def test_a_reject_without_publish_time_is_in_no_window_and_counted():
    outcome = run([rejected(published=None)])
    assert outcome["parts"] == []
    assert outcome.counters == {"rejects_untimed": 1}


def test_a_large_bundle_leaves_in_parts(monkeypatch):
    monkeypatch.setattr(extract_reject_parts, "_MOST_REJECTS", 2)
    assert [part.events for part in parts(run([rejected()] * 5))] == [2, 2, 2, 2, 1, 1]


def test_a_bundle_that_runs_twice_gives_the_same_parts_twice():
    assert [part.events for part in parts(run([rejected()] * 3, bundle_repeat=1))] == [3] * 4


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="give"):
        ExtractRejectParts(METRICS, 0)
