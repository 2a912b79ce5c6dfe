"""Metric files on Cloud Storage."""

import pytest

from schemas.metric_set import SHIPPED, MetricError, load_metrics
from tests.metric_builders import CONTRACTS

pytestmark = pytest.mark.emulator


def test_a_folder_and_a_file_on_cloud_storage_are_read_as_the_local_ones(gcs_emulator):
    bucket = gcs_emulator.bucket()
    for path in SHIPPED.glob("*.yaml"):
        blob = gcs_emulator.client.bucket(bucket).blob(f"sets/{path.name}")
        blob.upload_from_string(path.read_text())
    shipped = load_metrics(None, CONTRACTS)
    assert load_metrics(f"gs://{bucket}/sets", CONTRACTS) == shipped
    assert load_metrics(f"gs://{bucket}/sets/activity.yaml", CONTRACTS) == shipped[:1]


def test_a_folder_that_is_not_there_is_one_line(gcs_emulator):
    with pytest.raises(MetricError, match="no metric file"):
        load_metrics(f"gs://{gcs_emulator.bucket()}/none", CONTRACTS)
