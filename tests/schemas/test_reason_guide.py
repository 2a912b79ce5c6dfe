import pathlib

import pytest

from schemas.quarantine_avro import QUARANTINE_SCHEMA
from schemas.quarantine_page import quarantine_page
from schemas.reason_guide import REASON_GUIDE, note_text
from schemas.rejected import Reason

ROOT = pathlib.Path(__file__).parents[2]
BY_OPTION = (Reason.PAYLOAD_TOO_LARGE, Reason.TIME_OUT_OF_RANGE)


def test_every_reason_is_explained_and_nothing_else():
    assert list(REASON_GUIDE) == list(Reason)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.value)
def test_each_note_says_all_that_an_operator_needs(reason):
    note = REASON_GUIDE[reason]
    for text in (note.meaning, note.causes, note.remedy, note.release):
        assert text.endswith(".")
        assert len(text) > 15
    lines = note_text(reason).splitlines()
    assert lines[0] == f"{reason.value}: {note.meaning}".replace("`", "")
    assert [line.split()[0] for line in lines[1:]] == ["step", "causes", "remedy", "release"]
    assert ("release  possible." in lines[-1]) == note.releasable


def test_the_steps_are_those_that_refuse():
    texts = "".join(path.read_text() for path in (ROOT / "transforms").glob("*.py"))
    named = {step for note in REASON_GUIDE.values() for step in note.steps.split(", ")}
    assert named >= {"Decode", "Deduplicate", "ExtractChanges", "WriteCells"}
    assert all(f'"{step}"' in texts for step in named)


def test_options_that_mend_a_reason_exist():
    options = "".join(path.read_text() for path in (ROOT / "pipelines").glob("*options.py"))
    for reason in BY_OPTION:
        option = REASON_GUIDE[reason].remedy.partition("`--")[2].partition("`")[0]
        assert f'"{option}"' in options


def test_the_page_has_a_section_for_every_reason_and_a_row_for_every_field():
    lines = quarantine_page().splitlines()
    sections = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert sections == [reason.value for reason in Reason]
    for field in QUARANTINE_SCHEMA["fields"]:
        assert f"| `{field['name']}` | {field['doc']} |" in lines
