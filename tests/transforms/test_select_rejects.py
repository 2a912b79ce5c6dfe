"""What of a quarantine is chosen for a release: of each message the last record, once."""

import random

import apache_beam as beam
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cell_lines import change_json
from schemas.cells import Cell, RowChange
from schemas.rejected import Reason, Rejected
from schemas.released import release_key
from tests.engine import run_batch
from transforms.quarantine_filter import EVERYTHING, Filter
from transforms.select_rejects import SelectRejects, outcome_of, standing
from transforms.write_cells import refused_change

pytestmark = pytest.mark.engine

TABLE = "projects/p/instances/i/tables/t"
ONE = Rejected("Decode", "not_json", "", b"{", {}, "7", "", None, 5)
CHANGE = refused_change(RowChange(b"r", [Cell("s", "plan", 1_000, b"x")]), "NOT_FOUND", TABLE)


def also(record=ONE, **changed):
    return msgspec.structs.replace(record, **changed)


RECORDS = st.lists(
    st.builds(
        also,
        reason=st.sampled_from(["not_json", "wrong_type"]),
        attempt=st.integers(0, 3),
        run=st.sampled_from(["", "replay"]),
        rejected_at=st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


@given(RECORDS, st.integers())
def test_which_record_stands_does_not_depend_on_the_order(records, seed):
    found = standing(records)
    shuffled = random.Random(seed).sample(records, len(records))
    assert standing(shuffled) == found
    assert found.attempt == max(each.attempt for each in records)
    assert standing([]) is None


@pytest.mark.parametrize(
    ("record", "released", "outcome"),
    [
        (ONE, False, None),
        (ONE, True, "already_released"),
        (also(attempt=2), False, None),
        (also(attempt=3), False, "exhausted"),
        (also(attempt=3), True, "already_released"),
        (also(step="ExtractChanges"), False, None),
        (also(reason="id_conflict"), False, "unreleasable"),
        (also(step="Deduplicate", reason="id_conflict"), False, "unreleasable"),
        (also(step="ReadArchive", reason="object_empty"), False, "unreleasable"),
        (also(step="WriteRows", reason="row_refused"), False, "unreleasable"),
        (also(job="curate_events"), False, "other_job"),
        (also(job="window_metrics", step="ExtractParts"), False, "other_job"),
        (also(step="Curate"), False, "other_job"),
        (also(step="FillFromDrift", job="own name"), False, "other_job"),
        (also(job="curate_events", reason="id_conflict"), False, "unreleasable"),
        (also(job="some deployment"), False, None),
        (CHANGE, False, None),
        (CHANGE, True, "already_released"),
        (also(CHANGE, attempt=3), False, "exhausted"),
        (also(CHANGE, attributes={}), False, None),
        (also(CHANGE, attributes={"bigtable_table": TABLE + "2"}), False, "other_table"),
        (also(CHANGE, payload=b"no change"), False, "unreleasable"),
        (also(CHANGE, payload=b"\xff"), False, "unreleasable"),
    ],
)
def test_what_is_left_out_has_its_reason(record, released, outcome):
    assert outcome_of(record, released, 3, TABLE) == outcome


def test_without_a_table_no_change_can_be_applied():
    assert outcome_of(CHANGE, False, 3, None) == "other_table"


def choose(records, released=(), meant=EVERYTHING, bundle_repeat=0):
    def build(pipeline):
        given = (
            pipeline | "Records" >> beam.Create(records).with_output_types(Rejected),
            pipeline | "Ledger" >> beam.Create(list(released)).with_output_types(bytes),
        )
        return (given | SelectRejects(meant, 3, TABLE))._asdict()

    return run_batch(build, bundle_repeat)


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_each_message_is_chosen_once_and_the_others_are_counted(bundle_repeat):
    other, done = also(payload=b"["), also(payload=b"(")
    records = [ONE, also(attempt=1, reason="wrong_type"), also(run="replay"), other, done, CHANGE]
    found = choose(records, [release_key(done)] * 2, bundle_repeat=bundle_repeat)
    assert {each.payload for each in found["messages"]} == {ONE.payload, other.payload}
    assert {(each.payload, each.attempt) for each in found["messages"]} == {(b"{", 1), (b"[", 0)}
    assert set(map(release_key, found["changes"])) == {release_key(CHANGE)}
    if not bundle_repeat:
        assert (len(found["messages"]), len(found["changes"])) == (2, 1)
        assert found.counters["already_released"] == 1
        assert found.counters["already_released.Decode.not_json"] == 1


def test_a_record_is_meant_by_its_last_reason_and_not_by_an_earlier_one():
    records = [ONE, also(attempt=3, reason="wrong_type")]
    assert choose(records, meant=Filter(reason="not_json"))["messages"] == []
    spent = choose(records, meant=Filter(reason="wrong_type"))
    assert (spent["messages"], spent.counters) == (
        [],
        {"exhausted": 1, "exhausted.Decode.wrong_type": 1},
    )


@pytest.mark.parametrize("row_first", [True, False])
def test_a_row_that_was_refused_does_not_hide_what_can_be_released(row_first):
    row = also(step="WriteRows", reason="row_refused", detail="zzz: the greatest bytes")
    records = [row, ONE] if row_first else [ONE, row]
    assert choose(records)["messages"] == [ONE]
    assert choose([row]).counters["unreleasable.WriteRows.row_refused"] == 1


def test_what_another_job_refused_is_counted_by_it_and_hides_nothing():
    beside = also(job="curate_events", attempt=0, detail="zzz: the greatest bytes")
    only = also(payload=b"[", job="window_metrics")
    drift = also(payload=b"(", step="FillFromDrift", reason="row_refused")
    found = choose([beside, ONE, only, drift])
    assert found["messages"] == [ONE]
    assert found.counters == {
        "other_job": 1,
        "other_job.fill_from_drift": 1,
        "unreleasable": 1,
        "unreleasable.FillFromDrift.row_refused": 1,
        "other_job.Decode.not_json": 1,
        "other_job.curate_events": 1,
        "other_job.window_metrics": 1,
    }


def test_a_change_is_applied_again_whichever_job_made_it():
    found = choose([also(CHANGE, job="window_metrics")])
    assert len(found["changes"]) == 1
    assert found.counters == {
        "now_good": 1,
        f"now_good.{CHANGE.step}.mutation_refused": 1,
    }


def test_a_change_is_the_same_message_with_every_detail():
    again = refused_change(RowChange(b"r", [Cell("s", "plan", 1_000, b"x")]), "INTERNAL", TABLE)
    assert release_key(again) == release_key(CHANGE)
    assert again.payload == change_json(RowChange(b"r", [Cell("s", "plan", 1_000, b"x")]))
    assert again.reason == Reason.MUTATION_REFUSED.value


def test_at_least_one_attempt_is_needed():
    with pytest.raises(ValueError, match="max_attempts=0: give 1 or more"):
        SelectRejects(EVERYTHING, 0, None)
