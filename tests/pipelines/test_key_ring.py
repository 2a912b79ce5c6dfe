"""A stream on both sides of a new key: what is handed over live and what is replayed are the same.

Here everything is a batch: that of copies on both sides a stream keeps the one that arrives first
is said in docs/runbooks/rotate_the_pseudonym_key.md, and not shown.
"""

import json
import random
import shutil

import apache_beam as beam
import msgspec
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines import fill_from_drift, hot_path
from pipelines.curate_steps import curate_stream
from pipelines.fill_options import FillConfig, FillOptions
from pipelines.hot_path_options import HotPathConfig, HotPathOptions
from pipelines.options import UsageError, parse_options
from schemas.cells import row_key
from schemas.contract import load_contracts
from schemas.events import RawEvent
from schemas.feature_set import load_features
from schemas.packs import RawPack
from schemas.pseudonym import PseudonymError, load_ring, pseudonym
from schemas.rejected import Rejected
from schemas.times import format_rfc3339, parse_rfc3339
from tests.archive_builders import complete, put_all
from tests.engine import run_batch
from tests.pipelines import curate_runs
from tests.pipelines.hot_path_runs import GOLDEN, arguments, left_behind
from tests.pipelines.replay_runs import MINUTE, replay
from tests.schemas.any_event import envelope_with, write_contract
from transforms.decode_anew import Closed, DecodeAnew

pytestmark = pytest.mark.engine

OLD, NEW = "old:0123456789abcdef", "new:fedcba9876543210"
TEN = parse_rfc3339("2026-01-05T10:00:00Z")
TURN = TEN + 61 * MINUTE
"""In the middle of a tile, and of the messages of an hour."""
SPAN = ("--from=2026-01-05T00:00:00Z", "--to=2026-01-06T00:00:00Z")


def event(n):
    details = {"page": "/", "country": "FR"}
    if n % 2:
        details = {"amount_minor": n, "currency": "EUR", "device": "d", "email": f"m{n % 5}"}
    told = {
        "event_id": f"e{n}",
        "event_type": "order" if n % 2 else "visit",
        "user_id": f"u{n % 3}",
        "event_timestamp": format_rfc3339(TEN + n * 3 * MINUTE),
        "event_details": details,
    }
    return json.dumps(told).encode()


def published(n):
    """Return when an event is published: some later than those after them."""
    return TEN + n * 3 * MINUTE + (n % 4) * 3 * MINUTE


MESSAGES = [RawEvent(event(n), {}, f"m{n}", published(n)) for n in range(40)]
COPIES = [RawEvent(event(n), {}, f"c{n}", published(n) + 5_000_000) for n in range(0, 40, 3)]
ACROSS = [RawEvent(event(n), {}, f"a{n}", TURN + n) for n in (2, 3) if published(n) < TURN]


@pytest.fixture
def declared(tmp_path):
    """Return a folder that declares people and their addresses personal, with keys and archive."""
    shutil.copytree(GOLDEN / "contracts", tmp_path / "contracts")
    write_contract(tmp_path / "contracts", envelope_with(2, pii="pseudonymise"), "envelope.avsc")
    (tmp_path / "ring").write_text(f"{OLD}\n{format_rfc3339(TURN)} {NEW}\n")
    for key in (OLD, NEW):
        (tmp_path / key[:3]).write_text(key)
    put_all(tmp_path / "archive", [*MESSAGES, *COPIES, *ACROSS])
    complete(tmp_path / "archive", TEN + 100 * 1_440 * MINUTE)
    return tmp_path


def settings(given, declared, key):
    """Return arguments with the contracts and the key of this test."""
    own = {"--contracts": declared / "contracts", "--pseudonym_key": declared / key}
    kept = [each for each in given if each.partition("=")[0] not in own]
    return [*kept, *(f"{name}={value}" for name, value in own.items()), "--shards=2"]


def handed(pipeline, messages):
    """Hand messages over as a subscription does: in any order, in packs of any size."""
    dice = random.Random(len(messages))
    shuffled, packs = dice.sample(messages, len(messages)), []
    while shuffled:
        size = dice.randint(1, 9)
        packs.append(RawPack.of(shuffled[:size]))
        del shuffled[:size]
    return pipeline | "Hand" >> beam.Create(packs).with_output_types(RawPack)


def live_cells(declared, messages, key, monkeypatch):
    folder = declared / f"live-{key}"
    argv = settings(arguments(folder, GOLDEN / "events.ndjson"), declared, key)
    pipeline = beam.Pipeline(runner=FnApiRunner())
    with monkeypatch.context() as patch:
        patch.setattr(hot_path, "read_events", lambda at, _: (handed(at, messages), []))
        hot_path.build(pipeline, HotPathConfig.of(parse_options(argv, HotPathOptions, "")))
    pipeline.run().wait_until_finish()
    return left_behind(folder, {}).cells


def replayed(declared, key):
    rest = arguments(declared / "replayed", GOLDEN / "events.ndjson")[1:]
    argv = [f"--input_archive={declared / 'archive'}", *SPAN, *rest]
    return replay(settings(argv, declared, key), declared / "replayed")


def test_cells_of_a_replay_across_a_new_key_are_those_of_live_and_of_that_key_alone(
    declared, monkeypatch
):
    """Of copies on both sides both keep the one that was published first."""
    live = live_cells(declared, [*MESSAGES, *COPIES, *ACROSS], "ring", monkeypatch)
    assert replayed(declared, "ring").cells == live
    after = [each for each in (*MESSAGES, *COPIES) if each.publish_time >= TURN]
    alone = live_cells(declared, after, "new", monkeypatch)
    assert [cell for cell in live if "#new." in cell] == alone
    assert sum("#old." in cell for cell in live) == len(live) - len(alone) > len(ACROSS) > 0


def test_rows_across_a_new_key_are_those_of_live(declared):
    argv = settings(curate_runs.arguments(declared / "live"), declared, "ring")
    config = curate_runs.configured(argv)
    pipeline = beam.Pipeline(runner=FnApiRunner())
    contracts = load_contracts(config.contracts)
    curate_stream(handed(pipeline, [*MESSAGES, *COPIES]), config, contracts)
    pipeline.run().wait_until_finish()
    live = curate_runs.lines_of(declared / "live" / "rows")
    rest = curate_runs.arguments(declared / "replayed")[1:]
    argv = settings([f"--input_archive={declared / 'archive'}", *SPAN, *rest], declared, "ring")
    done = curate_runs.run(argv, declared / "replayed")
    assert curate_runs.told_once(done.cells) == curate_runs.told_once(live)
    ring = load_ring(str(declared / "ring"))
    for row in curate_runs.rows_of(live):
        key = ring.at(parse_rfc3339(row["publish_time"]))
        assert row["user_id"] == pseudonym(f"u{int(row['event_id'][1:]) % 3}", key)


def test_what_is_released_takes_the_key_of_when_it_was_published(declared):
    """Without a publish time the event's own: an hour before the turn."""
    contracts = load_contracts(str(declared / "contracts"))
    features = load_features(str(GOLDEN / "features"), contracts)
    one = Rejected("Decode", "not_json", "", event(0), {}, "m", "", None, TURN)
    records = [
        msgspec.structs.replace(one, message_id=str(n), publish_time=time)
        for n, time in enumerate([TURN - 1, TURN, None])
    ]
    decode = DecodeAnew(contracts, features, str(declared / "ring"), Closed(2 * TURN, 2 * TURN, 0))

    def build(pipeline):
        made = pipeline | beam.Create(records).with_output_types(Rejected)
        return {"good": (made | decode).good}

    found = {one.record.message_id: one.touches for one in run_batch(build)["good"]}
    old, new = (
        row_key("user", pseudonym("u0", key)) for key in load_ring(str(declared / "ring")).keys
    )
    keys = {name: {touch.row_key for touch in touches} for name, touches in found.items()}
    assert keys == {"0": {old}, "1": {new}, "2": {old}}


def test_a_run_that_begins_before_the_first_key_is_not_launched(declared):
    (declared / "ring").write_text(f"{format_rfc3339(TURN)} {NEW}\n")
    with pytest.raises(PseudonymError, match="put the key of before on the line above"):
        replayed(declared, "ring")
    now = "--now=2026-01-05T11:00:59Z"
    live = ["--input_subscription=projects/p/subscriptions/s", f"--late_output={declared}", now]
    argv = [*live, *arguments(declared, GOLDEN / "events.ndjson")[1:-1]]
    config = HotPathConfig.of(parse_options(settings(argv, declared, "ring"), HotPathOptions, ""))
    with pytest.raises(PseudonymError, match="the run begins 2026-01-05T11:00:59Z"):
        hot_path.build(beam.Pipeline(runner=FnApiRunner()), config)
    argv = [f"--{name}={declared / name}" for name in ("rows_input", "rows_output")]
    argv = settings([*argv, f"--quarantine_output={declared}"], declared, "ring")[:-1]
    for span, error in (("from", PseudonymError), ("to", UsageError)):  # There are no rows.
        given = FillConfig.of(parse_options([*argv, f"--{span}=2026-01-05"], FillOptions, ""))
        with pytest.raises(error):
            fill_from_drift.build(beam.Pipeline(runner=FnApiRunner()), given)
