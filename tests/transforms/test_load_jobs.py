"""A job is run once whatever is tried again; what passes is tried under the next id."""

import pytest
from google.api_core.exceptions import BadRequest, Conflict, Forbidden, NotFound, ServiceUnavailable
from google.cloud import bigquery

from schemas.merge_rows import MergeRule
from transforms import load_jobs
from transforms.load_jobs import BadRowsError, LoadFailedError, TableLoad

RULE = MergeRule(("id",))
SECRET = "a personal value"


def failure(kind, reason):
    return kind(SECRET, errors=[{"reason": reason, "message": SECRET}])


class Job:
    def __init__(self, error=None):
        self.error = error

    def result(self):
        if self.error:
            raise self.error


class Client:
    """Answers jobs by a script of errors, in the order in which they are started."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.jobs: dict[str, Job] = {}
        self.staged = 0
        self.dropped = False

    def get_table(self, name, timeout):
        table = bigquery.Table(name, [bigquery.SchemaField("id", "STRING")])
        table._properties["numRows"] = str(self.staged)
        table._properties["location"] = "EU"
        table.time_partitioning = bigquery.TimePartitioning(field="at", expiration_ms=5)
        return table

    def create_table(self, table, exists_ok, timeout):
        assert exists_ok
        self.staging = table

    def delete_table(self, _name, not_found_ok, timeout):
        self.dropped = not_found_ok

    def load_table_from_uri(self, _uri, _table, job_id, location, job_config, timeout):
        assert job_config.create_disposition == "CREATE_NEVER"
        return self._started(job_id, location)

    def query(self, _sql, job_id, job_retry, location, timeout):
        assert job_retry is None
        return self._started(job_id, location)

    def get_job(self, job_id, location, timeout):
        assert location == "EU"
        if job_id not in self.jobs:
            msg = job_id
            raise NotFound(msg)
        return self.jobs[job_id]

    def _started(self, job_id, location):
        assert location == "EU"
        if job_id in self.jobs:
            msg = "exists"
            raise Conflict(msg)
        self.jobs[job_id] = Job(self.errors.pop(0) if self.errors else None)
        return self.jobs[job_id]


@pytest.fixture
def table(monkeypatch):
    def make(client, run="r"):
        monkeypatch.setattr(load_jobs, "bigquery_client", lambda _: client)
        return TableLoad("example.com:p.d.t", run, 86_400_000_000, sleep=lambda _: None)

    return make


def test_a_load_that_is_asked_for_again_is_the_one_that_there_is(table):
    client = Client()
    for _ in range(3):
        table(client).load("gs://b/o", "content")
    assert len(client.jobs) == 1
    table(client).load("gs://b/o", "other content")
    table(client, "other run").load("gs://b/o", "content")
    assert len(client.jobs) == 3


@pytest.mark.parametrize(
    "error",
    [
        failure(ServiceUnavailable, "backendError"),
        failure(Forbidden, "rateLimitExceeded"),
        ServiceUnavailable("down"),
        BadRequest("Could not serialize access due to concurrent update"),
    ],
)
def test_what_passes_is_tried_under_the_next_id_and_found_there_again(table, error):
    client = Client(error, error)
    table(client).load("gs://b/o", "content")
    assert [job_id[-2:] for job_id in client.jobs] == ["_0", "_1", "_2"]
    table(client).load("gs://b/o", "content")
    assert len(client.jobs) == 3


def test_what_never_passes_fails_in_one_line_without_a_value(table):
    client = Client(*[failure(ServiceUnavailable, "backendError")] * 20)
    with pytest.raises(LoadFailedError, match=r"example.com:p.d.t: 503 backendError: ") as raised:
        table(client).load("gs://b/o", "content")
    assert SECRET not in str(raised.value)


def test_bad_rows_are_told_apart_from_other_failures(table):
    with pytest.raises(BadRowsError):
        table(Client(failure(BadRequest, "invalid"))).load("gs://b/o", "content")
    with pytest.raises(LoadFailedError, match="403 accessDenied: grant"):
        table(Client(failure(Forbidden, "accessDenied"))).load("gs://b/o", "content")


def test_a_merge_that_was_done_is_not_done_again_also_when_nothing_is_staged_anymore(table):
    client = Client(failure(ServiceUnavailable, "backendError"))
    client.staged = 5
    spans = [("2026-01-01", "2026-01-02"), None]
    rule = MergeRule(("id",), partition="at")
    table(client).merge(rule, spans, 5, "content")
    assert (len(client.jobs), client.dropped) == (3, True)
    client.staged = 0
    table(client).merge(rule, spans, 5, "content")
    assert len(client.jobs) == 3
    with pytest.raises(LoadFailedError, match="have expired"):
        table(client).merge(rule, spans, 5, "more content")


def test_a_merge_that_fails_for_good_fails_the_bundle(table):
    client = Client(failure(BadRequest, "invalidQuery"))
    client.staged = 1
    with pytest.raises(LoadFailedError, match="400 invalidQuery"):
        table(client).merge(RULE, [None], 1, "content")
    assert not client.dropped


def test_the_staging_table_has_the_columns_of_its_table_no_partitions_and_an_end(table):
    client = Client()
    load = table(client)
    load.prepare()
    assert load.staging.startswith("example.com:p.d.t__staging_")
    assert client.staging.expires.timestamp() == 86_400
    assert [field.name for field in client.staging.schema] == ["id"]
    assert client.staging.time_partitioning is None
