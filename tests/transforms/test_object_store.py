import http.server
import threading
from typing import ClassVar

import pytest

from transforms.object_store import ObjectStoreError, create_object


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
