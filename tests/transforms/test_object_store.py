"""The object store: a local folder, and what a bucket's answers come to."""

import errno
import http.server
import os
import pathlib
import re
import subprocess
import sys
import threading
from typing import ClassVar
from unittest import mock

import pytest
from google.cloud.storage.exceptions import DataCorruption

from tests.transforms.object_store_contract import ObjectStoreContract, paths
from transforms import bucket_objects
from transforms.object_store import (
    ObjectStoreError,
    create_object,
    list_objects,
    list_unfinished,
    read_object,
    read_objects,
    replace_object,
    update_object,
)

pytestmark = pytest.mark.engine

ROOT = pathlib.Path(__file__).parents[2]


class Bucket(http.server.BaseHTTPRequestHandler):
    """Answers uploads with the statuses of the script, in their order; 200 stores the object."""

    script: ClassVar[list] = []
    asked: ClassVar[list] = []
    stored: ClassVar[list] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(self.path)
        status, stores = self.script[min(len(self.asked), len(self.script)) - 1]
        if stores:
            self.stored.append(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        """Keep the test's output clean."""


@pytest.fixture
def bucket(monkeypatch):
    Bucket.script, Bucket.asked, Bucket.stored = [], [], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
    yield Bucket
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_upload_that_fails_for_a_moment_is_tried_again_under_the_same_condition(bucket):
    bucket.script = [(503, False), (200, True)]
    assert create_object("gs://b/quarantine/x.avro", b"content")
    assert len(bucket.asked) == 2
    assert all("ifGenerationMatch=0" in asked for asked in bucket.asked)
    (body,) = bucket.stored
    assert b"content" in body


def test_an_upload_whose_answer_was_lost_counts_as_written_when_it_is_found_there(bucket):
    bucket.script = [(503, True), (412, False)]
    assert not create_object("gs://b/quarantine/x.avro", b"content")
    assert len(bucket.stored) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_upload_that_is_not_allowed_fails_at_once_with_one_line(bucket, status):
    bucket.script = [(status, False)]
    with pytest.raises(ObjectStoreError, match=r"gs://b/x\.avro: .*check that the place") as raised:
        create_object("gs://b/x.avro", b"content")
    assert len(bucket.asked) == 1
    assert "\n" not in str(raised.value)


def test_a_file_in_the_place_of_a_folder_is_an_error_of_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ObjectStoreError, match="check that the place") as raised:
        create_object(str(tmp_path / "file" / "x.avro"), b"")
    assert "\n" not in str(raised.value)


class TestFolderObjects(ObjectStoreContract):
    """A local folder."""

    @pytest.fixture
    def place(self, tmp_path):
        return str(tmp_path / "some folder")

    @pytest.fixture
    def unusable(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        return str(tmp_path / "file")


def test_an_update_by_other_processes_is_not_lost_either(tmp_path):
    path = str(tmp_path / "counter")
    program = (
        "import sys; from transforms.folder_objects import update\n"
        "for _ in range(20): update(sys.argv[1], lambda now: b'%d' % (int(now or b'0') + 1))"
    )
    argv = [sys.executable, "-c", program, path]
    running = [subprocess.Popen(argv, cwd=ROOT) for _ in range(4)]
    assert [each.wait() for each in running] == [0] * 4
    assert read_object(path) == b"80"


def test_what_is_written_beside_its_place_is_never_listed(tmp_path):
    place = str(tmp_path)
    update_object(f"{place}/marker.json", lambda _: b"{}")
    for name in (".x.avro.0a1b2c3d.part", ".marker.json.lock", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    assert paths(place) == ["marker.json"]
    assert [*read_objects(place, ".lock")] == []


@pytest.mark.parametrize("write", [create_object, replace_object])
def test_what_a_killed_writer_leaves_beside_is_listed_apart_and_nothing_else_is(tmp_path, write):
    place = str(tmp_path)
    step = "link" if write is create_object else "replace"
    # A kill runs no `finally`, and so must what stands for it here.
    kept = mock.patch.object(os, "unlink")
    with mock.patch.object(os, step, _killed), kept, pytest.raises(KeyboardInterrupt):
        write(f"{place}/x.avro", b"content")
    update_object(f"{place}/marker.json", lambda _: b"{}")
    for name in (".hidden", ".part", "x.part", ".x.0a1b2c3d", ".x.0a1b2c3.part"):
        (tmp_path / name).touch()
    (tmp_path / ".y.0a1b2c3d.part").mkdir()
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / ".z.0a1b2c3d.part").touch()
    [found] = list_unfinished(place)
    assert re.fullmatch(r"\.x\.avro\.[0-9a-f]{8}\.part", found.path.removeprefix(f"{place}/"))
    assert found.size == len(b"content")
    assert paths(place) == ["marker.json", "x.part"]
    assert list_unfinished(f"{place}/none") == list_unfinished("gs://b/x") == []


def test_an_update_that_is_killed_leaves_one_file_however_often(tmp_path):
    path = str(tmp_path / "marker.json")
    for _ in range(3):
        with mock.patch.object(os, "replace", _killed), pytest.raises(KeyboardInterrupt):
            update_object(path, lambda _: b"half")
    left = [".marker.json.lock", ".marker.json.next.part"]
    assert sorted(os.listdir(tmp_path)) == left
    assert update_object(path, lambda _: b"whole")
    assert sorted(os.listdir(tmp_path)) == [".marker.json.lock", "marker.json"]
    assert read_object(path) == b"whole"


def _killed(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("write", [create_object, replace_object])
def test_a_file_is_on_the_disk_before_it_has_its_name_and_so_are_its_folders(
    tmp_path, monkeypatch, write
):
    place = tmp_path / "a"
    path = place / "b" / "x.avro"
    steps = []
    flush = os.fsync

    def fsync(descriptor):
        steps.append((os.fstat(descriptor).st_ino, path.exists()))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(str(path), b"content")
    places = [tmp_path, place, path, place / "b"]
    assert steps == [(each.stat().st_ino, each == place / "b") for each in places]


@pytest.mark.parametrize("write", [create_object, replace_object])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, write):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ObjectStoreError, match="No space left"):
        write(str(tmp_path / "x.avro"), b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_an_object_is_an_error_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "x.avro").mkdir()
    with pytest.raises(ObjectStoreError, match="check that the place"):
        replace_object(str(tmp_path / "x.avro"), b"content")
    assert not create_object(str(tmp_path / "x.avro"), b"content")
    assert [each.name for each in tmp_path.iterdir()] == ["x.avro"]


def test_a_folder_that_must_not_be_read_is_an_error_and_not_passed_over(tmp_path, monkeypatch):
    create_object(str(tmp_path / "open" / "x"), b"")
    create_object(str(tmp_path / "shut" / "x"), b"")
    scan = os.scandir

    def refusing(path="."):
        if str(path).endswith("shut"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ObjectStoreError, match="Permission denied"):
        list(list_objects(str(tmp_path)))


def test_a_download_that_arrives_damaged_is_an_error_of_one_line(monkeypatch):
    def damaged(_):
        raise DataCorruption(None, "Checksum mismatch\nwhile downloading")

    monkeypatch.setattr(bucket_objects, "read", damaged)
    with pytest.raises(ObjectStoreError, match=r"gs://b/x: Checksum mismatch while"):
        read_object("gs://b/x")


def test_objects_below_the_current_folder_are_named_from_there(tmp_path, monkeypatch):
    create_object(str(tmp_path / "b" / "x"), b"")
    create_object(str(tmp_path / "a"), b"")
    monkeypatch.chdir(tmp_path)
    assert [each.path for each in list_objects(".")] == ["a", "b/x"]
    assert [each.path for each in list_objects("b/")] == ["b/x"]


def test_a_link_that_leads_nowhere_is_passed_over_and_one_to_a_file_is_listed(tmp_path):
    create_object(str(tmp_path / "a"), b"123")
    (tmp_path / "b").symlink_to(tmp_path / "none")
    (tmp_path / "c").symlink_to(tmp_path / "a")
    listed = [(each.path, each.size) for each in list_objects(str(tmp_path))]
    assert listed == [(f"{tmp_path}/a", 3), (f"{tmp_path}/c", 3)]
