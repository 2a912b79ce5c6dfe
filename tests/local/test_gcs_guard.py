"""The Cloud Storage emulator refuses what production refuses; of many racers one wins."""

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from apache_beam.io.filesystems import FileSystems
from google.api_core.exceptions import BadRequest, NotFound, PreconditionFailed
from google.resumable_media import InvalidResponse

from local.addresses import split_address

# What the clients make of a 412 depends on the way of uploading.
REFUSED = (InvalidResponse, PreconditionFailed)


@pytest.fixture(scope="module")
def bucket(gcs_emulator):
    return gcs_emulator.client.bucket(gcs_emulator.bucket())


@pytest.fixture
def blob(bucket, request):
    return bucket.blob(f"folder/{request.node.name} with space")


def test_of_sixteen_racers_that_create_one_wins(gcs_emulator, bucket):
    start = threading.Barrier(16)

    def create(racer: int) -> bool:
        start.wait()
        try:
            own = gcs_emulator.client.bucket(bucket.name).blob("race/one")
            own.upload_from_string(f"racer {racer}", if_generation_match=0)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(create, range(16)))
    assert won.count(True) == 1
    assert bucket.blob("race/one").download_as_bytes() == f"racer {won.index(True)}".encode()


def test_creating_only_is_refused_where_the_object_exists(blob):
    blob.upload_from_string("first", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string("second", if_generation_match=0)
    assert blob.download_as_bytes() == b"first"


def test_a_replacement_needs_the_generation_that_is_there(blob):
    blob.upload_from_string("first")
    generation = blob.generation
    blob.upload_from_string("second", if_generation_match=generation)
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string("third", if_generation_match=generation)
    assert blob.download_as_bytes() == b"second"


def test_a_stream_that_creates_only_is_refused_where_the_object_exists(blob):
    with blob.open("wb", if_generation_match=0) as file:
        file.write(b"x" * 300_000)
    assert blob.download_as_bytes() == b"x" * 300_000
    with pytest.raises(REFUSED), blob.open("wb", if_generation_match=0) as file:
        file.write(b"y")
    assert blob.download_as_bytes() == b"x" * 300_000


def test_a_stream_that_was_overtaken_is_refused_at_its_end(blob):
    chunk = 256 * 1024
    slow = blob.open("wb", if_generation_match=0, chunk_size=chunk)
    slow.write(b"s" * 3 * chunk)
    blob.bucket.blob(blob.name).upload_from_string("quick", if_generation_match=0)
    with pytest.raises(REFUSED):
        slow.write(b"s" * 3 * chunk)
        slow.close()
    assert blob.download_as_bytes() == b"quick"


def test_a_deletion_needs_the_generation_that_is_there(blob):
    blob.upload_from_string("x")
    with pytest.raises(PreconditionFailed):
        blob.delete(if_generation_match=blob.generation + 1)
    assert blob.exists()
    blob.delete(if_generation_match=blob.generation)
    assert not blob.exists()


def test_a_rewrite_needs_what_is_at_its_target_and_at_its_source(bucket, blob):
    blob.upload_from_string("source")
    target = bucket.blob(f"{blob.name} target")
    target.rewrite(blob, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        target.rewrite(blob, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        target.rewrite(blob, if_source_generation_match=1)
    with pytest.raises(PreconditionFailed):
        bucket.copy_blob(blob, bucket, target.name, if_generation_match=0)
    assert target.download_as_bytes() == b"source"


def test_a_composition_needs_what_is_at_its_target(bucket, blob):
    parts = [bucket.blob(f"{blob.name} {number}") for number in range(2)]
    for number, part in enumerate(parts):
        part.upload_from_string(str(number))
    blob.compose(parts, if_generation_match=0)
    assert blob.download_as_bytes() == b"01"
    with pytest.raises(PreconditionFailed):
        blob.compose(parts, if_generation_match=0)


def test_reading_a_generation_that_is_gone_is_refused(blob):
    blob.upload_from_string("x")
    with pytest.raises(PreconditionFailed):
        blob.download_as_bytes(if_generation_match=1)


def test_an_object_below_another_is_refused_at_once_as_a_file_has_no_files(bucket, blob):
    blob.upload_from_string("x")
    with pytest.raises(BadRequest, match="emulator: "):
        bucket.blob(f"{blob.name}/below").upload_from_string("y")


def test_without_conditions_the_last_one_wins(blob):
    blob.upload_from_string("first")
    blob.upload_from_string("second")
    assert blob.download_as_bytes() == b"second"


def test_what_is_not_there_is_not_found(bucket):
    with pytest.raises(NotFound):
        bucket.blob("missing").download_as_bytes()


def test_a_connection_stays_open_for_many_requests(gcs_emulator, bucket):
    connection = http.client.HTTPConnection(*split_address(gcs_emulator.address))
    ports = set()
    for path in ("/storage/v1/b?project=p", f"/storage/v1/b/{bucket.name}", "/storage/v1/b/none"):
        connection.request("GET", path)
        connection.getresponse().read()
        ports.add(connection.sock.getsockname()[1])
    connection.close()
    assert len(ports) == 1


def test_a_request_that_is_not_understood_does_not_spoil_the_next_one(gcs_emulator, bucket):
    connection = http.client.HTTPConnection(*split_address(gcs_emulator.address))
    connection.request("POST", f"/storage/v1/b/{bucket.name}/unheard/of", body=b"GET / HTTP/1.1")
    assert connection.getresponse().read() == b""
    connection.request("GET", f"/storage/v1/b/{bucket.name}")
    answer = connection.getresponse()
    assert answer.status == 200
    assert bucket.name in answer.read().decode()
    connection.close()


def test_the_file_operations_of_beam_work(bucket):
    root = f"gs://{bucket.name}/beam"
    with FileSystems.create(f"{root}/a.txt") as file:
        file.write(b"line\n" * 100_000)
    assert FileSystems.match([f"{root}/*.txt"])[0].metadata_list[0].size_in_bytes == 500_000
    FileSystems.copy([f"{root}/a.txt"], [f"{root}/b.txt"])
    FileSystems.rename([f"{root}/b.txt"], [f"{root}/c.txt"])
    with FileSystems.open(f"{root}/c.txt") as file:
        assert file.read() == b"line\n" * 100_000
    FileSystems.delete([f"{root}/a.txt", f"{root}/c.txt"])
    assert not FileSystems.match([f"{root}/*"])[0].metadata_list
