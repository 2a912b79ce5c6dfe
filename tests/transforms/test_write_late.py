import apache_beam as beam

from schemas.late import LateEvent
from tests.engine import run_batch
from transforms.object_store import read_objects
from transforms.write_late import WriteLate

DAY = 86_400_000_000


def test_late_events_stand_whole_by_day_of_publishing_or_else_of_the_event(tmp_path):
    events = [LateEvent(0, DAY, b'{"n":0}'), LateEvent(0, None, b'{"n":1}')]
    outcome = run_batch(
        lambda p: {"names": p | beam.Create(events, reshuffle=False) | WriteLate(str(tmp_path))},
        bundle_repeat=1,
    )
    found = {
        name.removeprefix(f"{tmp_path}/").partition("/")[0]: content
        for name, content in read_objects(str(tmp_path), ".ndjson")
    }
    assert found == {"dt=1970-01-02": b'{"n":0}\n', "dt=1970-01-01": b'{"n":1}\n'}
    assert set(outcome["names"]) == {
        name.removeprefix(f"{tmp_path}/") for name, _ in read_objects(str(tmp_path), ".ndjson")
    }
