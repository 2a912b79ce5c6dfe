"""What jobs ask of Cloud Storage, request by request, held against the roles of their accounts."""

import re
from contextlib import contextmanager
from unittest import mock
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests

from local.roles import CUSTOM, PIPELINES, PREDEFINED
from pipelines import archive_raw, compact_archive, curate_events
from tests.archives import START, message, put
from tests.schemas.any_event import any_event, wire
from transforms.mark_complete import advance_marker
from transforms.object_store import list_objects

pytestmark = pytest.mark.emulator

KEY = "PENSTOCK_TEST_RIGHTS"
BUCKET = re.compile(r"/(?:upload/|download/)?storage/v1/b/([^/]+)/o(?:/(.+))?$")
RIGHTS = {**CUSTOM, **PREDEFINED}


def asked(method, url):
    """Return (bucket, right, name of the object) of a request; None: it is none for an object."""
    parts = urlsplit(url)
    found = BUCKET.search(parts.path)
    assert found or "upload_id" in url, url
    if not found:
        return None
    bucket, name = found[1], unquote(found[2] or "")
    if method == "DELETE":
        return bucket, "storage.objects.delete", name
    if method == "GET":
        return bucket, "storage.objects.get" if name else "storage.objects.list", name
    assert method == "POST", method
    return bucket, "storage.objects.create", ""


@contextmanager
def recorded():
    """Note what this process asks of Cloud Storage, and which writes may replace an object."""
    notes, replaced, send = set(), [], requests.Session.send

    def sent(session, request, **named):
        if "/storage/v1/b/" in request.url:
            notes.add(asked(request.method, request.url))
            if request.method == "POST" and "/upload/" in request.url:
                query = parse_qs(urlsplit(request.url).query)
                if query.get("ifGenerationMatch") != ["0"]:
                    body = request.body if isinstance(request.body, bytes) else b""
                    replaced.append(re.search(rb'"name":\s*"([^"]*)"', body)[1].decode())
        return send(session, request, **named)

    with mock.patch.object(requests.Session, "send", sent):
        yield notes, replaced


def allowed(pipeline, places):
    """Return (bucket, right) of what a pipeline's account may do."""
    grants = [each for each in PIPELINES[pipeline] if each.place in places]
    return {(places[each.place], right) for each in grants for right in RIGHTS[each.role]}


def used(notes):
    return {note[:2] for note in notes if note}


def test_jobs_ask_for_nothing_beyond_their_roles(gcs_emulator, tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "a key of a test that is long enough")
    lines = tmp_path / "events.ndjson"
    lines.write_bytes(b"\n".join([wire(any_event()), b"no event"]))
    archive, rows, refused = (gcs_emulator.bucket() for _ in range(3))
    with recorded() as (notes, replaced):
        argv = [f"--input_files={lines}", f"--archive_output=gs://{archive}", "--source=s"]
        assert archive_raw.main(argv) == 0
        for complete_to in (START, START + 1):
            advance_marker(f"gs://{archive}", "s", complete_to)
    granted = allowed("archive_raw", {"archive": archive})
    assert {(archive, "storage.objects.create")} <= used(notes) <= granted
    # The right to delete is asked for by what replaces: the marker, on condition, and nothing else.
    assert {name.rpartition("/")[2] for name in replaced} == {"_complete.json"}

    for n in range(10):
        put(f"gs://{archive}", [message(n + 10 * k) for k in range(3)])
    with recorded() as (notes, replaced):
        argv = [f"--archive=gs://{archive}", "--to=2024-10-04T01:00:00Z"]
        assert compact_archive.main(argv) == 0
    assert {(archive, "storage.objects.create")} <= used(notes)
    assert used(notes) <= allowed("compact_archive", {"archive": archive})
    assert not replaced

    with recorded() as (notes, replaced):
        argv = [
            f"--input_files={lines}",
            f"--rows_output=gs://{rows}",
            f"--pseudonym_key=env:{KEY}",
        ]
        assert curate_events.main([*argv, f"--quarantine_output=gs://{refused}"]) == 0
    writes = {(bucket, "storage.objects.create") for bucket in (rows, refused)}
    assert used(notes) == writes
    assert writes == {*allowed("curate_events", {"outputs": rows})} | {
        *allowed("curate_events", {"outputs": refused})
    }
    assert not replaced
    assert next(list_objects(f"gs://{refused}", ".avro"), None)
