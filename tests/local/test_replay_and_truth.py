"""A generated stream, archived with overlaps and replayed, holds what the truth says."""

import json
from collections import Counter

import pytest

from local.check_rows import differences
from local.feature_rules import read_rules
from local.generate import generate
from local.plain_values import pseudonym_of
from local.plan import DAY, Faults, Plan
from local.truth import Truth
from pipelines import hot_path
from schemas.contract import load_contracts
from schemas.events import RawEvent
from schemas.times import format_rfc3339
from tests.archive_builders import compact, complete, put_overlapping
from tests.local.test_hot_path_and_truth import KEY, cells_of
from transforms.quarantine import read_quarantine

pytestmark = pytest.mark.engine

PLAN = Plan(
    1_500,
    seed=7,
    lines=False,
    clocked=True,
    faults=Faults(0.05, 0.1, 0.2, 0.01, 0.01, 0.05, 0.05, 0.1),
)


@pytest.mark.parametrize("compacted", [False, True])
def test_every_cell_of_a_replay_is_what_the_truth_says_and_every_reject_comes_once(
    tmp_path, compacted
):
    contracts = load_contracts()
    truth = Truth(read_rules(None, contracts, pseudonym_of(KEY)), batch=True)
    messages = list(truth.watch(generate(PLAN, contracts)))
    archive = tmp_path / "archive"
    raws = [
        RawEvent(one.payload, one.attributes, f"m{n}", one.publish_time, one.ordering_key)
        for n, one in enumerate(messages)
    ]
    puts = put_overlapping(archive, raws)
    complete(archive, PLAN.start + 30 * DAY)
    if compacted:
        compact(puts, archive)
    (tmp_path / "key").write_bytes(KEY)
    options = {
        "input_archive": archive,
        "from": format_rfc3339(PLAN.start - 10 * DAY),
        "to": format_rfc3339(PLAN.start + 10 * DAY),
        "cells_output": tmp_path / "cells",
        "quarantine_output": tmp_path / "quarantine",
        "counters_output": tmp_path / "counters.json",
        "pseudonym_key": f"file:{tmp_path / 'key'}",
        "shards": 3,
    }
    hot_path.run([f"--{name}={value}" for name, value in options.items()])
    document = truth.document()
    assert list(differences(document, cells_of(tmp_path / "cells"))) == []
    assert len(document["rows"]) > 100

    counters = json.loads((tmp_path / "counters.json").read_text())
    assert counters["accepted"] == document["counts"]["accepted"]
    distinct = {one.entry for one in puts}
    assert counters["read"] == sum(entry.events for entry in distinct) > len(messages)
    assert counters["tiles_withheld"] == 0

    wanted = Counter(document["counts"]["rejected"])
    assert wanted.total() > 50
    found = Counter(one.reason for one in read_quarantine(str(tmp_path / "quarantine")))
    conflicts = found.pop("id_conflict")
    assert found == wanted
    assert conflicts == document["counts"]["conflict"]
