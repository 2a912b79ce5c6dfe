"""What is built once is built once, whole, and again when its sources change."""

import multiprocessing
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cache import built_once, cache_folder, cached, source_key


@pytest.fixture
def environ(tmp_path):
    return {"XDG_CACHE_HOME": str(tmp_path / "a cache with spaces")}


def sources(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_the_cache_follows_the_variable_and_is_in_the_home_folder_otherwise():
    assert cache_folder({"XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/x/penstock")
    assert cache_folder({"HOME": "/h"}) == Path("/h/.cache/penstock")
    assert cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/h"}) == Path("/h/.cache/penstock")


def test_the_key_changes_with_each_source_and_with_nothing_else(tmp_path):
    paths = sources(tmp_path / "s", {"main.go": b"package main", "go.sum": b"h1:abc"})
    key = source_key("v1", paths, "linux")
    assert key.startswith("v1-")
    assert source_key("v1", reversed(paths), "linux") == key
    assert source_key("v1", paths, "darwin") != key
    assert source_key("v2", paths, "linux") != key
    sources(tmp_path / "s", {"go.sum": b"h1:abd"})
    assert source_key("v1", paths, "linux") != key


@given(
    st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), st.binary(max_size=3)), max_size=3)
)
def test_sources_that_differ_have_keys_that_differ(tmp_path_factory, pairs):
    first = sources(tmp_path_factory.mktemp("first"), dict(pairs))
    longer = {**dict(pairs), "c": b""}
    second = sources(tmp_path_factory.mktemp("second"), longer)
    assert source_key("v", first) != source_key("v", second)


def test_the_second_time_nothing_is_built(environ):
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "program").write_text("x")

    first = built_once("tool", "v1-k", build, environ)
    second = built_once("tool", "v1-k", build, environ)
    assert first == second == cached("tool", "v1-k", environ)
    assert (first / "program").read_text() == "x"
    assert len(built) == 1
    assert built[0] != first


def test_a_build_that_fails_leaves_nothing_and_the_next_one_succeeds(environ):
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        msg = "no compiler"
        raise OSError(msg)

    with pytest.raises(OSError, match="no compiler"):
        built_once("tool", "k", fail, environ)
    assert not [path for path in cache_folder(environ).iterdir() if path.is_dir()]
    assert list(built_once("tool", "k", lambda _: None, environ).iterdir()) == []


def test_what_a_killed_build_left_is_swept_away(environ):
    left = cache_folder(environ) / ".tool-k.unfinished"
    left.mkdir(parents=True)
    (left / "half").write_text("x")
    folder = built_once("tool", "k", lambda path: (path / "whole").touch(), environ)
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert not left.exists()


def _race(environ: dict[str, str], log: Path) -> None:
    def build(folder: Path) -> None:
        with log.open("a") as file:
            file.write("built\n")
        time.sleep(0.2)
        (folder / "program").touch()

    assert (built_once("tool", "k", build, environ) / "program").exists()


def test_of_processes_that_ask_at_once_one_builds(environ, tmp_path):
    log = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    racers = [context.Process(target=_race, args=(environ, log)) for _ in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(10)
    assert [racer.exitcode for racer in racers] == [0] * 6
    assert log.read_text() == "built\n"
