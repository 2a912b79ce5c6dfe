"""What a job does that has the rights of its role and no more."""

import pytest
from google.api_core.exceptions import Forbidden

from transforms import bucket_objects
from transforms.object_store import ObjectStoreError, create_object, replace_object

DENIED = "worker@p.iam.gserviceaccount.com does not have {} access to the object"


class Refusing:
    """A blob whose upload is refused for the lack of one right."""

    def __init__(self, right):
        self._right = right

    def upload_from_string(self, *_, **__):
        raise Forbidden(DENIED.format(self._right))


def test_who_may_not_replace_an_object_is_told_that_it_is_there(monkeypatch):
    """A retry finds what it has written before: without this it would fail for good."""
    monkeypatch.setattr(bucket_objects, "_blob", lambda _: Refusing("storage.objects.delete"))
    assert create_object("gs://bucket/a.avro", b"a") is False
    with pytest.raises(ObjectStoreError, match=r"storage\.objects\.delete access"):
        replace_object("gs://bucket/a.avro", b"a")


def test_who_may_not_write_at_all_is_told_so(monkeypatch):
    monkeypatch.setattr(bucket_objects, "_blob", lambda _: Refusing("storage.objects.create"))
    with pytest.raises(ObjectStoreError, match=r"storage\.objects\.create access"):
        create_object("gs://bucket/a.avro", b"a")
