"""Paths are opened up, and what cannot be written is said before anything runs."""

import os

import pytest

from schemas.locations import expanded, write_problem


@pytest.mark.parametrize(
    ("location", "meant"),
    [
        ("~/a b", "/home/someone/a b"),
        ("~", "/home/someone"),
        ("gs://bucket/~/x", "gs://bucket/~/x"),
        ("./~/x", "./~/x"),
        ("", ""),
    ],
)
def test_a_tilde_is_the_home_folder_of_a_local_path_alone(monkeypatch, location, meant):
    monkeypatch.setenv("HOME", "/home/someone")
    assert expanded(location) == meant


def test_what_can_be_made_or_replaced_is_no_problem_and_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.json").write_text("{}")
    assert write_problem(str(tmp_path / "old.json"), is_file=True) is None
    assert write_problem(str(tmp_path / "größe" / "b" / "new.json"), is_file=True) is None
    assert write_problem("new.json", is_file=True) is None
    assert write_problem(str(tmp_path), is_file=False) is None
    assert write_problem("a folder/of folders/", is_file=False) is None
    assert [file.name for file in tmp_path.iterdir()] == ["old.json"]


@pytest.mark.parametrize(
    ("path", "is_file", "words"),
    [
        ("folder", True, "is a folder; name a file in it"),
        ("folder/", True, "names no file; name one"),
        ("file", False, "is a file; name a folder"),
        ("file/a/b", False, "/file is no folder; name another place"),
        ("file/a", True, "/file is no folder; name another place"),
        ("dangling/a", False, "/dangling is no folder; name another place"),
        ("x" * 300, True, "cannot be used (File name too long); name another place"),
        ("a\0b", True, "cannot be used"),
    ],
)
def test_what_cannot_be_written_is_told_with_a_remedy(tmp_path, path, is_file, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    problem = write_problem(f"{tmp_path}/{path}", is_file=is_file)
    assert problem is not None
    assert words in problem


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    # Whoever runs this may be allowed everything, so the refusal is the system's word alone.
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(tmp_path))
    problem = write_problem(str(tmp_path / "a" / "b"), is_file=False)
    assert problem == (
        f"cannot be written: no permission in {tmp_path}; grant it, or name another place"
    )
