"""Feature files on Cloud Storage."""

import pytest

from schemas.feature_set import SHIPPED, FeatureError, load_features
from tests.feature_builders import CONTRACTS

pytestmark = pytest.mark.emulator


def test_a_folder_a_bucket_and_a_file_on_cloud_storage_are_read_as_the_local_ones(gcs_emulator):
    bucket = gcs_emulator.bucket()
    for path in SHIPPED.glob("*.yaml"):
        for name in (path.name, f"sets/{path.name}"):
            gcs_emulator.client.bucket(bucket).blob(name).upload_from_string(path.read_text())
    shipped = load_features(None, CONTRACTS)
    assert load_features(f"gs://{bucket}/sets", CONTRACTS) == shipped
    assert load_features(f"gs://{bucket}/sets/", CONTRACTS) == shipped
    assert load_features(f"gs://{bucket}", CONTRACTS) == shipped
    assert load_features(f"gs://{bucket}/sets/user.yaml", CONTRACTS) == shipped[1:]


def test_a_folder_that_is_not_there_is_one_line(gcs_emulator):
    with pytest.raises(FeatureError, match="no feature file"):
        load_features(f"gs://{gcs_emulator.bucket()}/none", CONTRACTS)
