import json
import random
import tempfile
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from schemas.events import MIN_MICROS, Event, RawEvent
from schemas.packs import EventPack, RawPack
from schemas.rejected import Reason
from tests.transforms.event_packs import digest, pack_of, rows_of
from transforms.deduplicate import Deduplicate, DeduplicatePacks, RejectConflicts
from transforms.key_packs import shard_of

pytestmark = pytest.mark.engine

SHARDS = 4
START = 1_700_000_000_000_000
KINDS = ("unique", "duplicates", "conflicts")


def pipeline(repeat: int = 0) -> beam.Pipeline:
    return beam.Pipeline(runner=FnApiRunner(bundle_repeat=repeat), options=PipelineOptions([]))


def split_of(packs: list[EventPack], mode: str = "batch", repeat: int = 0):
    """Run packs through `DeduplicatePacks`; return the found rows by kind, and the metrics."""
    with tempfile.TemporaryDirectory() as folder:
        with pipeline(repeat) as built:
            source = built | beam.Create([(0, pack) for pack in packs], reshuffle=False)
            split = source | DeduplicatePacks(3_600, SHARDS, mode=mode)
            for kind in KINDS:
                rows = getattr(split, kind) | f"Rows{kind}" >> beam.FlatMap(rows_of)
                assert_that(rows, _into(Path(folder, kind)), label=f"Keep{kind}")
        found = {kind: json.loads(Path(folder, kind).read_text()) for kind in KINDS}
    rows_found = {kind: sorted(map(tuple, rows)) for kind, rows in found.items()}
    return rows_found, built.result.metrics().query()


def _into(path: Path):
    return lambda rows: path.write_text(json.dumps(rows)) and None


def any_rows(seed: int, conflicts: bool = True) -> list[tuple[str, str, int]]:
    rnd = random.Random(seed)
    contents = "aab" if conflicts else "a"
    return [
        (f"e{rnd.randrange(40)}", rnd.choice(contents), START + rnd.randrange(10**9))
        for _ in range(120)
    ]


def in_packs(rows: list[Any], size: int) -> list[EventPack]:
    return [pack_of(rows[start : start + size]) for start in range(0, len(rows), size)]


@pytest.mark.parametrize("mode", ["stream", "batch"])
@pytest.mark.parametrize("repeat", [0, 1])
def test_every_id_passes_once_also_when_every_bundle_runs_twice(mode, repeat):
    rows = any_rows(seed=repeat)
    found, _ = split_of(in_packs(rows, 7), mode, repeat)
    assert Counter(identity for identity, _, _ in found["unique"]) == Counter({i for i, *_ in rows})
    assert sorted(chain.from_iterable(found.values())) == sorted(rows)
    kept = {identity: content for identity, content, _ in found["unique"]}
    assert all(kept[identity] == content for identity, content, _ in found["duplicates"])
    assert all(kept[identity] != content for identity, content, _ in found["conflicts"])


def test_batch_and_stream_keep_the_same_ids_and_without_conflicts_the_same_content():
    calm = any_rows(3, conflicts=False)
    torn = [(f"torn {identity}", content, time) for identity, content, time in any_rows(4)]
    packs = in_packs(calm + torn, 11)
    stream, batch = (split_of(packs, mode)[0]["unique"] for mode in ("stream", "batch"))
    assert [row[0] for row in stream] == [row[0] for row in batch]
    kept = [{row[:2] for row in rows if not row[0].startswith("torn")} for rows in (stream, batch)]
    assert kept[0] == kept[1]


def test_any_order_and_split_of_a_batch_keeps_the_same_rows():
    rows = any_rows(5)
    shuffled = random.Random(1).sample(rows, len(rows))
    assert split_of(in_packs(rows, 9))[0] == split_of(in_packs(shuffled, 4))[0]


def test_the_counters_add_up_and_the_distance_is_measured():
    rows = any_rows(8)
    found, metrics = split_of(in_packs(rows, 10), "stream")
    counters = {metric.key.metric.name: metric.result for metric in metrics["counters"]}
    assert counters["duplicate"] == len(found["duplicates"])
    assert counters["conflict"] == len(found["conflicts"])
    [distance] = [d for d in metrics["distributions"] if "distance" in d.key.metric.name]
    assert distance.key.metric.name == "duplicate_distance_ms"
    assert distance.result.count == len(found["duplicates"])


def test_packs_with_a_wrong_key_or_of_several_shards_are_put_right():
    rows = [(f"e{number % 50}", "x", START) for number in range(100)]
    found, _ = split_of([pack_of(rows[:60]), pack_of(rows[60:])], "stream")
    assert (len(found["unique"]), len(found["duplicates"])) == (50, 50)


def test_one_id_that_points_to_two_users_is_a_conflict_whatever_the_shards():
    rows = [any_event("e1", user_id="u1"), any_event("e1", user_id="u2")]
    with pipeline() as built:
        events = built | beam.Create(rows)
        for n in (1, 3, 64):
            split = events | f"Dedupe{n}" >> Deduplicate(horizon=60, shards=n)
            assert_that(split.unique | f"U{n}" >> beam.Map(_id), equal_to(["e1"]), f"unique{n}")
            assert_that(split.conflicts | f"C{n}" >> beam.Map(_id), equal_to(["e1"]), f"other{n}")


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_empty_packs_pass_without_a_trace_and_large_ones_whole(mode):
    rows = [(f"e{number}", "x", START) for number in range(5_000)]
    found, _ = split_of([pack_of([]), pack_of(rows)], mode)
    assert found == {"unique": sorted(rows), "duplicates": [], "conflicts": []}


def test_in_batch_nothing_is_late():
    with pipeline() as built:
        pack = pack_of([("a", "x", START)])
        pack.watermark = START
        split = built | beam.Create([(0, pack)]) | DeduplicatePacks(60, 1)
        marks = split.unique | beam.Map(lambda pack: pack.watermark)
        assert_that(marks, equal_to([MIN_MICROS]))


def any_event(identity: str = "e1", payload: bytes = b"{}", **changes: Any) -> Event:
    values: dict[str, Any] = {
        "event_id": identity,
        "event_type": "page_view",
        "user_id": "u1",
        "session_id": None,
        "event_time": START,
        "source_system": None,
        "details": {},
        "drift": None,
        "content": digest(repr(sorted(changes.items()))),
        "raw": RawEvent(payload, publish_time=None, message_id="m"),
    }
    return Event(**(values | changes))


def _id(event: Event) -> str:
    return event.event_id


def packed(events: list[Event]) -> EventPack:
    return EventPack(
        [digest(event.event_id) for event in events],
        [event.content for event in events],
        [event.event_time for event in events],
        RawPack.of(event.raw for event in events),
    )


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_single_events_and_packs_give_the_same(mode):
    rnd = random.Random(4)
    events = [
        any_event(
            f"e{rnd.randrange(30)}",
            content=digest(rnd.choice("aab")),
            raw=RawEvent(
                rnd.choice([b"{}", b"{ }", b"\0{}", b"\0\0"]),
                rnd.choice([{}, {"k": "v"}]),
                rnd.choice(["m1", "m2"]),
                rnd.choice([None, 5, 6]),
            ),
        )
        for _ in range(200)
    ]
    with pipeline() as built:
        singles = built | "Events" >> beam.Create(events, reshuffle=False)
        single = singles | Deduplicate(horizon=60, shards=SHARDS, mode=mode)
        packs = built | "Packs" >> beam.Create([(0, packed(events))], reshuffle=False)
        whole = packs | DeduplicatePacks(60, SHARDS, mode=mode)
        for kind in KINDS:
            raws = getattr(single, kind) | f"S{kind}" >> beam.Map(lambda event: ("1", event.raw))
            rows = getattr(whole, kind) | f"P{kind}" >> beam.FlatMap(_raws)
            assert_that((raws, rows) | f"F{kind}" >> beam.Flatten(), _in_pairs, label=kind)


def _raws(pack: EventPack):
    return [("n", pack.raw.row(row)) for row in range(len(pack))]


def _in_pairs(found: list[Any]) -> None:
    single = sorted(repr(raw) for form, raw in found if form == "1")
    whole = sorted(repr(raw) for form, raw in found if form == "n")
    assert single == whole
    assert single


class Order(NamedTuple):
    number: str
    amount: int


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_any_type_can_be_deduplicated_by_a_key(mode):
    rows = [Order("a", 1), Order("b", 2), Order("a", 1), Order("b", 3)]
    with pipeline(repeat=1) as built:
        split = built | beam.Create(rows) | Deduplicate(_number, 60, 2, mode=mode)
        assert_that(split.unique | "Un" >> beam.Map(_number), equal_to(["a", "b"]), "unique")
        assert_that(split.duplicates, equal_to([Order("a", 1)]), "duplicates")
        assert_that(split.conflicts | "Cn" >> beam.Map(_number), equal_to(["b"]), "conflicts")


def _number(order: Order) -> str:
    return order.number


def test_the_order_of_a_dicts_keys_does_not_count():
    rows = [{"id": 1, "at": {"x": 1, "y": 2}}, {"at": {"y": 2, "x": 1}, "id": 1}]
    with pipeline() as built:
        split = built | beam.Create(rows) | Deduplicate(key=lambda row: row["id"], horizon=60)
        assert_that(split.duplicates | beam.Map(len), equal_to([2]), "duplicates")
        assert_that(split.conflicts, equal_to([]), "conflicts")


def test_given_functions_say_what_content_and_publish_time_are():
    rows = [
        {"id": "a", "v": 1, "at": 9},
        {"id": "a", "v": 1, "at": 3},
        {"id": "a", "v": 2, "at": 5},
    ]
    with pipeline() as built:
        split = (
            built
            | beam.Create(rows)
            | Deduplicate(
                key=lambda row: row["id"],
                horizon=60,
                content=lambda row: str(row["v"]).encode(),
                publish_time=lambda row: row["at"],
            )
        )
        assert_that(split.unique | "U" >> beam.Map(lambda r: r["at"]), equal_to([3]), "unique")
        assert_that(split.duplicates | "D" >> beam.Map(lambda r: r["at"]), equal_to([9]), "dup")
        assert_that(split.conflicts | "C" >> beam.Map(lambda r: r["at"]), equal_to([5]), "conf")


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_single_elements_keep_their_timestamps_and_ids_are_seen_across_windows(mode):
    with pipeline() as built:
        stamped = (
            built
            | beam.Create([("a", 10), ("b", 70), ("a", 75)])
            | beam.Map(lambda row: TimestampedValue(row, row[1]))
            | beam.WindowInto(FixedWindows(60))
        )
        split = stamped | Deduplicate(
            key=lambda row: row[0], horizon=600, content=lambda row: b"same", mode=mode
        )
        times = split.unique | beam.Map(
            lambda row, timestamp=beam.DoFn.TimestampParam: row[1] == timestamp.micros / 1e6
        )
        assert_that(times, equal_to([True, True]), "times")
        assert_that(split.duplicates | beam.Map(lambda row: row[0]), equal_to(["a"]), "duplicates")


def test_conflicts_become_rejected_records_with_the_message_as_it_came():
    pack = pack_of([("a", "x", 5), ("b", "y", 6)], [1, 2])
    with pipeline() as built:
        rejected = built | beam.Create([pack]) | RejectConflicts()
        what = rejected | beam.Map(
            lambda r: (r.step, r.reason, r.payload, r.event_time, r.publish_time)
        )
        reason = Reason.ID_CONFLICT.value
        expected = [
            ("Deduplicate", reason, b"a|x|5", 5, 1),
            ("Deduplicate", reason, b"b|y|6", 6, 2),
        ]
        assert_that(what, equal_to(expected))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("horizon", 0),
        ("horizon", float("nan")),
        ("horizon", float("inf")),
        ("shards", 0),
        ("mode", "fast"),
        ("max_future", -1),
    ],
)
def test_a_wrong_option_is_named_with_its_value(option, value):
    options = {"horizon": 60, "shards": 2} | {option: value}
    for transform in (DeduplicatePacks, Deduplicate):
        with pytest.raises(ValueError, match=f"{option}={value!r}"):
            transform(**options)


def test_elements_that_are_no_events_need_a_key():
    built = pipeline()
    with pytest.raises(ValueError, match="key=None"):
        _ = built | beam.Create([Order("a", 1)]).with_output_types(Order) | Deduplicate()


def test_a_pack_whose_ids_are_no_digests_is_refused():
    pack = pack_of([("a", "x", 1)])
    pack.ids = [b"short"]
    with pytest.raises((ValueError, RuntimeError), match="digest of 16 bytes"):
        split_of([pack])


def test_the_shard_of_an_id_never_changes():
    assert [shard_of(digest(f"e{n}"), 16) for n in range(6)] == [0, 15, 13, 14, 4, 11]
