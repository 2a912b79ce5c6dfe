"""Points Beam's own BigQuery transforms at the local emulator: Beam has no switch for it.

For laptops and tests only. The suite's jobs do without: their client honours
`BIGQUERY_EMULATOR_HOST`. This is for pipelines that use `WriteToBigQuery` or `ReadFromBigQuery`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from apache_beam.io.gcp.internal.clients.bigquery.bigquery_v2_client import BigqueryV2

from local.credentials import anonymous_credentials

__all__ = ["beam_bigquery"]


@contextmanager
def beam_bigquery(address: str, project: str) -> Iterator[None]:
    """Let Beam's BigQuery of this process use the emulator while the block lasts.

    Inserts and file loads work, and reading with DIRECT_READ where the read client is handed in;
    reading a query by an export does not.

    Args:
        address: `HOST:PORT` of the emulator.
        project: what Google's clients take for the project.
    """
    url = mock.patch.object(BigqueryV2, "BASE_URL", f"http://{address}/bigquery/v2/")
    with url, anonymous_credentials(project):
        yield
