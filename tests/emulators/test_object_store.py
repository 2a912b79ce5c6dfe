"""The object store on the Cloud Storage emulator keeps to the same as local folders."""

import pytest

from tests.transforms.object_store_contract import ObjectStoreContract, one_more, paths
from transforms import bucket_objects
from transforms.object_store import (
    ObjectStoreError,
    create_object,
    has_bucket,
    list_folders,
    list_objects,
    read_object,
    replace_object,
    update_object,
)

pytestmark = pytest.mark.emulator


class TestBucketObjects(ObjectStoreContract):
    """A folder of a bucket."""

    @pytest.fixture
    def place(self, gcs_emulator):
        return f"gs://{gcs_emulator.bucket()}/some folder"

    @pytest.fixture
    def unusable(self, gcs_emulator):
        return f"gs://{gcs_emulator.bucket()}-not"


def test_a_bucket_itself_is_a_folder(gcs_emulator):
    place = f"gs://{gcs_emulator.bucket()}"
    create_object(f"{place}/raw/a.avro", b"")
    create_object(f"{place}/b.avro", b"")
    assert list_folders(place) == ["raw"]
    assert paths(place, ".avro") == ["b.avro", "raw/a.avro"]


def test_whether_a_bucket_is_there_is_known_before_anything_is_written(gcs_emulator):
    bucket = gcs_emulator.bucket()
    assert has_bucket(f"gs://{bucket}")
    assert has_bucket(f"gs://{bucket}/no/such/folder")
    assert not has_bucket(f"gs://{bucket}-not/folder")


def test_a_change_whose_answer_was_lost_is_made_again(gcs_emulator, monkeypatch):
    path = f"gs://{gcs_emulator.bucket()}/counter"
    replace_object(path, b"5")
    upload, answers = bucket_objects._upload, iter([False, True])
    monkeypatch.setattr(bucket_objects, "_upload", lambda *given: upload(*given) and next(answers))
    assert update_object(path, one_more)
    assert read_object(path) == b"7"


def test_a_bucket_that_does_not_exist_cannot_be_listed(gcs_emulator):
    with pytest.raises(ObjectStoreError, match="check that the place"):
        list(list_objects(f"gs://{gcs_emulator.bucket()}-not/raw"))
