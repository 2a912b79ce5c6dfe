"""The story of streaming semantics: told on the bundle-based runner, and held against faults."""

import json

import pytest

from local.flink_page import write_page
from local.flink_results import add_stream, summary
from local.streaming_engines import StreamRun, run_test_stream
from local.streaming_story import SEMANTICS, Story, findings

BASE = 1_767_225_600_000_000


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return run_test_stream(tmp_path_factory.mktemp("notes"), BASE)


@pytest.mark.engine
def test_a_test_stream_is_deduplicated_timed_and_late_as_the_story_says(told):
    story, notes = told
    assert findings(story, notes) == {name: [] for name in SEMANTICS}
    assert story.is_told(notes)


@pytest.mark.engine
@pytest.mark.parametrize(
    ("step", "change", "name"),
    [
        ("once", lambda lines: set(sorted(lines)[1:]), "state"),
        ("copies", lambda _lines: set(), "state"),
        ("panes", lambda lines: {line for line in lines if "on_time" not in line}, "timers"),
        ("panes", lambda lines: {line for line in lines if "late" not in line}, "late data"),
        ("late", lambda lines: set(sorted(lines)[1:]), "late data"),
        ("tiles", lambda lines: {f"{line}0" for line in lines}, "late data"),
    ],
)
def test_whatever_is_missing_or_too_much_is_found(told, step, change, name):
    story, notes = told
    assert findings(story, {**notes, step: frozenset(change(notes[step]))})[name]


def test_the_second_half_has_late_events_forgotten_copies_and_new_ones():
    story = Story(BASE)
    second = story.second(BASE + 100_000_000)
    ids = [each.event_id for each in second]
    assert len(set(ids)) < len(ids)
    assert {each.event_id for each in second if each.time < BASE + 60_000_000} == story.late()
    assert sum(story.windows().values()) == len(story.once())
    assert sum(story.tiles().values()) == len(story.once() - story.late()) + 10


def test_the_page_and_the_summary_tell_what_each_engine_made_of_it(tmp_path):
    right = StreamRun("Prism", "Pub/Sub", "", 0, 125, 90.0, {name: [] for name in SEMANTICS})
    killed = right._replace(engine="Flink", killed="a Python worker", restored=1)
    wrong = killed._replace(findings={**right.findings, "timers": ["3 missing"]})
    record = tmp_path / "results" / "streaming.json"
    for run in (wrong, right._replace(engine="Flink"), right, killed):
        add_stream(record, run)
    assert [run["engine"] for run in json.loads(record.read_text())["runs"]].count("Flink") == 2
    add_stream(record, wrong._replace(killed="a TaskManager"))
    write_page(record.parent)
    told = record.with_name("recorded.md").read_text()
    prism = "| Prism | Pub/Sub | 125 | right | right | right | none: state is in its memory |"
    assert prism in told
    assert "| right | right | right | a Python worker killed, 1 restored: right |" in told
    assert "| right | 3 missing | right | a TaskManager killed, 1 restored: wrong |" in told
    streams = "engines: streaming on Prism, Flink: as the truth says"
    assert summary([], [], [right, killed]) == (streams, True)
    assert summary([], [], [wrong]) == ("engines: streaming on Flink: 1 of 1 runs wrong", False)
