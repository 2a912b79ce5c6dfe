"""Following an archive on Prism, beside a stream: what comes while it runs, and what is late then.

What this cannot show: a Prism that dies in between, which promises nothing; the saved progress is
tested in tests/transforms/test_follow_archive.py.
"""

import threading
import time
from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import TimerSpec, on_timer
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from local.check_rows import differences
from local.feature_rules import read_rules
from local.generate import generate
from local.plain_values import pseudonym_of
from local.plan import HOUR, Faults, Plan
from local.truth import Truth
from pipelines.counters import counters_of
from pipelines.failures import known_failure
from schemas.cells import RowChange
from schemas.contract import load_contracts
from schemas.events import RawEvent
from schemas.feature_set import load_features
from schemas.packs import RawPack
from schemas.warm_span import warm_span
from tests.local.test_hot_path_and_truth import KEY
from tests.warm_archive import SOURCE, WarmArchive, message
from transforms.decode import DecodePacks
from transforms.deduplicate import DeduplicatePacks
from transforms.extract_changes import ExtractChanges
from transforms.fold_entities import FoldEntities
from transforms.follow_archive import FollowArchive
from transforms.object_store import replace_object

SECOND = 1_000_000
START = 20_000 * 24 * HOUR
HORIZON = 3 * HOUR
BACKLOG = 48 * HOUR
FIRED = -1

# Prism's LOOPBACK environment runs the pipeline's functions in this process.
SEEN: list[int] = []
CAME = threading.Semaphore(0)
TABLE: dict[tuple[str, str, str, int], bytes] = {}


class See(beam.DoFn):
    """Notes the seconds after `START` of messages, and when the watermark has passed five."""

    TIMER = TimerSpec("five", TimeDomain.WATERMARK)
    PARAM = beam.DoFn.TimerParam(TIMER)

    def process(self, element: tuple[int, RawPack], timer=PARAM) -> None:
        timer.set(Timestamp(START // SECOND + 5))
        SEEN.extend((time - START) // SECOND for time in element[1].publish_times or ())
        CAME.release()

    @on_timer(TIMER)
    def note(self) -> None:
        SEEN.append(FIRED)


def set_cells(change: RowChange) -> None:
    """Set cells as Bigtable does: of two under one time the later stands; lines do not tell."""
    for cell in change.cells:
        TABLE[change.row_key.decode(), cell.family, cell.qualifier, cell.timestamp] = cell.value


def options(prism) -> PipelineOptions:
    return PipelineOptions(
        runner="PrismRunner",
        prism_location=str(prism),
        environment_type="LOOPBACK",
        streaming=True,
    )


def test_objects_that_come_or_are_compacted_while_it_runs_hold_the_watermark_and_it_ends(
    prism_binary, tmp_path
):
    SEEN.clear()
    archive = WarmArchive(str(tmp_path))
    rows = [message(START + second * SECOND) for second in (0, 1, 2, 29)]
    first = archive.put_hour(START, rows[:1])
    until = START + 30 * SECOND

    def write_on() -> None:
        assert CAME.acquire(timeout=30)
        # One object that was read and one that was not, in one: the second must not be lost.
        second = archive.put_hour(START, rows[1:2])
        merged = archive.put_hour(START, rows[:2])
        archive.replace(START, [merged], [first, second])
        archive.mark(START + 2 * SECOND)
        assert CAME.acquire(timeout=30)
        for entry in (first, second):
            archive.delete(START, entry)
        archive.put_hour(START, rows[2:])
        archive.mark(until)

    writer = threading.Thread(target=write_on)
    writer.start()
    with beam.Pipeline(options=options(prism_binary)) as pipeline:
        packs = pipeline | FollowArchive(archive.root, SOURCE, START, until, poll=0.3)
        keyed = packs | beam.WithKeys(1).with_output_types(tuple[int, RawPack])
        _ = keyed | beam.ParDo(See())
    writer.join()
    assert Counter(each for each in SEEN if each != FIRED) == Counter([0, 0, 1, 2, 29])
    # Though much of it came seconds later than the first.
    assert SEEN.index(FIRED) > SEEN.index(2)


def test_a_damaged_object_fails_the_job_with_one_line_that_names_it(prism_binary, tmp_path):
    archive = WarmArchive(str(tmp_path))
    entry = archive.put_hour(START, [message(START)])
    path = f"{archive.folder(START)}/{entry.object_name}"
    replace_object(path, b"no avro")
    archive.mark(START + 1)
    pipeline = beam.Pipeline(options=options(prism_binary))
    _ = pipeline | FollowArchive(archive.root, SOURCE, START, START + 1)
    with pytest.raises(RuntimeError) as error:
        pipeline.run().wait_until_finish()
    remedy = "not an Avro file; restore it, or start without the archive"
    assert known_failure(error.value) == f"{path}: {remedy}"


def packed(messages) -> list[RawPack]:
    """Pack as a live source does, a few minutes together: what is late is judged by the pack."""
    rows = [
        RawEvent(one.payload, one.attributes, str(n), one.publish_time)
        for n, one in enumerate(messages)
    ]
    return [RawPack.of(rows[first : first + 3]) for first in range(0, len(rows), 3)]


def stamped(pack: RawPack) -> TimestampedValue:
    return TimestampedValue(pack, Timestamp(micros=min(pack.publish_times)))


@pytest.mark.parametrize("idle", [False, True], ids=["two days of backlog", "an idle topic"])
def test_what_an_uninterrupted_job_would_have_written_stands_after_a_warm_start(
    prism_binary, tmp_path, idle
):
    contracts, key = load_contracts(None), f"file:{tmp_path / 'key'}"
    (tmp_path / "key").write_bytes(KEY)
    plan = Plan(1_200, seed=7, span=BACKLOG + 3 * HOUR, horizon=HORIZON, faults=Faults(gzip=0))
    truth = Truth(read_rules(None, contracts, pseudonym_of(KEY)), batch=False)
    messages = list(truth.watch(generate(plan, contracts)))
    # The job before had acknowledged two hours of it, and then was down for two days.
    oldest, launch = plan.start + 2 * HOUR, plan.start + BACKLOG + 2 * HOUR
    if idle:
        oldest = launch = max(one.publish_time for one in messages) + 1
    live = [one for one in messages if one.publish_time >= oldest]
    archived = [one for one in messages if one.publish_time < launch]
    archive = WarmArchive(str(tmp_path / "archive"))
    archive.put(
        RawEvent(one.payload, one.attributes, str(n), one.publish_time)
        for n, one in enumerate(archived)
    )
    archive.mark(launch)
    features = load_features(None, contracts)
    longest = max(each.tile for features_of in features for each in features_of.features)
    span = warm_span(plan.start + 2 * HOUR, HORIZON, longest, 24 * HOUR)

    pipeline = beam.Pipeline(options=options(prism_binary))
    warm = pipeline | FollowArchive(archive.root, SOURCE, span.start, launch, poll=0.3)
    stamp = beam.Map(stamped).with_output_types(RawPack)
    beside = pipeline | beam.Create(packed(live), reshuffle=False) | stamp
    packs = (warm, beside) | beam.Flatten()
    decoded = packs | DecodePacks(contracts, shards=3)
    unique = decoded.packs | DeduplicatePacks(HORIZON / SECOND, 3)
    extracted = unique.unique | ExtractChanges(contracts, features, key, HORIZON / SECOND, 3)
    rows = extracted.changes | FoldEntities(features, HORIZON / SECOND, span.covers_from)
    _ = rows | beam.Map(set_cells)
    TABLE.clear()
    begun = time.monotonic()
    result = pipeline.run()
    result.wait_until_finish()

    assert time.monotonic() - begun < 60
    document = truth.document()
    assert list(differences(document, ((*name, value) for name, value in TABLE.items()))) == []
    counted = counters_of(result)
    assert counted["read"] == len(live) + len(archived)
    assert counted["warm_read"] == len(archived)
    assert counted["accepted"] == document["counts"]["accepted"]
    assert counted["late"] == document["counts"]["late"] > 0
