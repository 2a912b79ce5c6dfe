"""What commands print never makes a terminal do anything, whatever a file is called."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from console.main import main
from console.printing import visible

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e"


@given(st.text(st.characters(codec=None)))
def test_nothing_but_printable_characters_and_line_ends_is_left_of_any_text(text):
    shown = visible(text)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert shown.encode().decode() == shown
    assert visible(shown) == shown


@pytest.mark.parametrize("name", [f"{HOSTILE}.avro".encode(), b"\xff.avro"])
def test_the_name_of_a_damaged_object_of_a_quarantine_is_escaped(capsys, tmp_path, name):
    folder = tmp_path / "step=Decode" / "dt=2026-01-05"
    folder.mkdir(parents=True)
    with open(bytes(folder) + b"/" + name, "wb") as file:
        file.write(b"no Avro")
    with pytest.raises(SystemExit) as left:
        main(["quarantine", "ls", str(tmp_path)])
    told = capsys.readouterr()
    assert left.value.code == 1
    assert "no Avro object" in told.err
    assert (told.out + told.err).replace("\n", "").isprintable()


@pytest.mark.parametrize("command", ["ls", "cost", "verify"])
def test_the_name_of_a_source_is_escaped(capsys, tmp_path, command):
    hour = tmp_path / "raw/events/source=%1B%5B31m/dt=2026-01-05/hr=00"
    hour.mkdir(parents=True)
    (hour / f"{HOSTILE}.entry.json").touch()
    with pytest.raises(SystemExit):
        main(["archive", command, str(tmp_path)])
    told = capsys.readouterr()
    assert (told.out + told.err).replace("\n", "").isprintable()
