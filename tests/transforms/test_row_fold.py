"""Rows made of all their events at once are those that a look at each event by itself makes."""

import itertools
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cells import row_key
from schemas.changes import ChangePack
from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.feature_set import parse_features
from schemas.times import micros
from tests.schemas.any_event import any_event
from transforms.entity_shard import EntityShard
from transforms.feature_program import FeatureProgram
from transforms.row_cells import Definitions, Tally

SHIPPED = load_contracts()
DECODER = Decoder(SHIPPED)
SETS = [
    parse_features(text, "mine.yaml", SHIPPED)
    for text in (
        """
entity: user
key: user_id
state:
  - {name: kind, field: event_type}
  - {name: page, field: event_details.page}
  - {name: login, field: event_timestamp, where: {event_type: login, event_details.success: true}}
features:
  - {name: all, aggregate: count}
  - {name: few, aggregate: count, tile: 5m}
  - {name: begun, aggregate: min, field: event_timestamp}
  - {name: visits, aggregate: approx_distinct, field: session_id}
  - {name: visited, aggregate: count, field: session_id}
  - {name: visit, aggregate: last, field: session_id, tile: 5m}
  - {name: final, aggregate: last, field: event_details.page}
  - {name: pages, aggregate: approx_distinct, field: event_details.page}
  - {name: failed, aggregate: count, where: {event_type: login, event_details.success: false}}
  - name: longest
    aggregate: max
    field: event_details.duration_ms
    where: {event_details.platform: web}
  - {name: spent, aggregate: sum, field: event_details.duration_ms}
""",
        """
entity: session
key: session_id
state: [{name: user, field: user_id}]
features:
  - {name: ended, aggregate: max, field: event_timestamp}
  - {name: users, aggregate: approx_distinct, field: user_id}
  - {name: clicks, aggregate: count, where: {event_type: click}}
""",
    )
]
SECONDS = st.sampled_from([0, 1, 59, 299, 300, 3_599, 3_600, 7_000])
USERS = st.sampled_from(["a", "b"])
VISITS = st.sampled_from(["a", "b", None])
VIEW = st.builds(
    lambda page, web, duration: {
        "event_type": "page_view",
        "event_details": {
            "page": page,
            "platform": "web" if web else "ios",
            "duration_ms": duration,
        },
    },
    st.sampled_from(["/", "/a", ""]),
    st.booleans(),
    st.none() | st.integers(0, 9),
)
LOGIN = st.builds(
    lambda success: {
        "event_type": "login",
        "event_details": {"method": "google", "success": success, "platform": "web"},
    },
    st.booleans(),
)
EVENTS = st.lists(
    st.tuples(VIEW | LOGIN, SECONDS, USERS, VISITS, st.booleans()), min_size=1, max_size=20
)


def records_of(events):
    """(record, event time, whether late) of each; an id for each event."""
    found = []
    for number, (kind, second, user, session, late) in enumerate(events):
        stamp = f"2026-01-31T{12 + second // 3_600}:{second // 60 % 60:02}:{second % 60:02}Z"
        event = any_event(
            event_id=f"e{number:02}",
            user_id=user,
            session_id=session,
            event_timestamp=stamp,
            **kind,
        )
        record = DECODER.reread(json.dumps(event).encode(), {})
        found.append((record, micros(record.event_timestamp), late))
    return found


def parts_of(events):
    program = FeatureProgram(SHIPPED, SETS)
    for record, time, late in events:
        program.add(record, time, late)
    return list(program.take())


def cells_of(parts):
    shard = EntityShard(Definitions(SETS), 3_600_000_000, -(2**63))
    shard.load(ChangePack(parts))
    return {change.row_key: change.cells for change in shard.rows(Tally())}


@settings(max_examples=40)
@given(EVENTS, st.randoms(use_true_random=False))
def test_events_together_make_the_rows_that_they_make_one_by_one_in_any_order(events, chance):
    records = records_of(events)
    together = cells_of(parts_of(records))
    chance.shuffle(records)
    one_by_one = [parts_of([record]) for record in records]
    assert cells_of([*itertools.chain(*one_by_one)]) == together
    assert cells_of(parts_of(records)) == together


@settings(max_examples=40)
@given(EVENTS)
def test_counts_and_first_moments_are_those_of_the_events_themselves(events):
    records = records_of(events)
    rows = cells_of(parts_of(records))
    for user in ("a", "b"):
        mine = [
            (time, record) for record, time, late in records if record.user_id == user and not late
        ]
        cells = rows.get(row_key("user", user), [])
        for name, length, value in (
            ("all", 3_600_000_000, len),
            ("few", 300_000_000, len),
            ("begun", 3_600_000_000, min),
        ):
            tiles = {}
            for time, _ in mine:
                tiles.setdefault(time // length * length, []).append(time)
            found = {
                cell.clear_from: (cell.timestamp, int.from_bytes(cell.value, "big"))
                for cell in cells
                if (cell.family, cell.qualifier) == ("t", name)
            }
            assert found == {
                start: (start + len(times) * 1_000, value(times)) for start, times in tiles.items()
            }
