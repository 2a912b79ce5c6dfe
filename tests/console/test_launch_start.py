"""A launch starts one job, whatever becomes of its answers, and waits until that job runs."""

import itertools

import pytest
from google.cloud.dataflow_v1beta3.types import LaunchFlexTemplateRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.launch_api import DataflowApi, LaunchError
from console.launch_parameters import parameters_of
from console.launch_request import LAUNCH_LABEL, as_update, request_of
from console.launch_start import StillStartingError, await_running, start
from tests.console.launch_builders import environment
from tests.fake_dataflow import Answer, FakeDataflow, serving

NAME = "penstock-archive-raw"
LOST = [
    Answer(503),
    Answer(429),
    Answer(500),
    Answer(0),
    Answer(200, body=b'{"job": {"id": "2026'),
    Answer(200, body=b"[]"),
    Answer(200, body=b""),
    Answer(200, body=b"{}"),
    Answer(200, body=b"\xff\xfe"),
    Answer(502, body=b"<html>bad gateway</html>"),
]


@pytest.fixture(scope="module")
def request_(tmp_path_factory):
    read = environment(tmp_path_factory.mktemp("file"))
    return request_of(read, "archive_raw", parameters_of(read, "archive_raw"))


class Run:
    """One launch against a fake: what it told, slept and ended with."""

    def __init__(self, fake, request, seconds=60.0):
        self.fake, self.request, self.seconds = fake, request, seconds
        self.told, self.slept, self.error, self.job = [], [], None, None

    def __enter__(self):
        with serving(self.fake) as address:
            api = DataflowApi(
                "my-project", "europe-west1", address, self.slept.append, lambda: sum(self.slept)
            )
            try:
                self.job = start(api, self.request, self.told.append)
                await_running(api, self.job.id, self.seconds, self.told.append)
            except LaunchError as error:
                self.error = error
        return self

    def __exit__(self, *_):
        return None


def test_a_job_is_launched_and_told_when_it_runs(request_):
    with Run(FakeDataflow(), request_) as run:
        assert run.error is None
        (job_id,) = run.fake.jobs
        assert run.told[:2] == [f"job {NAME} is launched as {job_id}", f"job {job_id} is queued"]
        assert run.told[2].startswith(f"job {job_id} runs: https://console.cloud.google.com/")
        assert run.fake.requests[0]["launchParameter"]["jobName"] == NAME
        assert run.slept == [10.0]


@settings(max_examples=12)
@given(
    answers=st.lists(
        st.tuples(st.sampled_from(LOST), st.booleans()).filter(lambda a: a[0].status or a[1]),
        max_size=4,
    )
)
def test_a_launch_whose_answers_are_lost_starts_one_job(request_, answers):
    """Whether the service has done what it did not answer to, or not."""
    script = [Answer(each.status, applied=applied, body=each.body) for each, applied in answers]
    with Run(FakeDataflow(launches=list(script)), request_) as run:
        assert run.error is None
        assert [job["name"] for job in run.fake.jobs.values()] == [NAME]
        # It is sent again only while no job is there.
        first = next((n for n, each in enumerate(script) if each.applied), len(script))
        assert len(run.fake.requests) == first + 1


def test_a_job_that_is_not_listed_yet_is_found_when_its_name_is_taken(request_):
    fake = FakeDataflow(launches=[Answer(503, applied=True)], unlisted=2)
    with Run(fake, request_) as run:
        assert run.error is None
        assert (len(fake.jobs), len(fake.requests)) == (1, 2)


def test_the_same_launch_again_finds_its_job_and_starts_none(request_):
    with Run(FakeDataflow(), request_) as first:
        assert first.error is None
    with Run(first.fake, request_) as again:
        assert again.error is None
        assert len(again.fake.jobs) == 1
        assert again.told[0].endswith("launched by this very request")


@pytest.mark.parametrize("unlisted", [0, 1])
@pytest.mark.parametrize("labels", [{}, {LAUNCH_LABEL: "another"}])
def test_a_job_of_that_name_by_another_request_is_left_alone(request_, labels, unlisted):
    fake = FakeDataflow(unlisted=unlisted)
    there = fake.put(NAME, labels=labels)
    with Run(fake, request_) as run:
        assert str(run.error) == (
            f"job {NAME} was launched by another request ({there}, running): --update replaces it, "
            "or drain it first: gcloud dataflow jobs drain"
        )
        # What is seen beforehand is not sent: an answer might be that very job, as if it were new.
        assert (len(fake.jobs), len(fake.requests)) == (1, unlisted)


def test_an_update_that_meets_another_says_so(request_):
    request = LaunchFlexTemplateRequest(request_)
    with Run(FakeDataflow(launches=[Answer(409)]), as_update(request, "1", {})) as run:
        assert str(run.error).endswith("look at what became of that one, then try again")
        assert len(run.fake.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(400, "Invalid machine type"), ["400: Invalid machine type", "correct what"]),
        (
            Answer(401, "no token"),
            ["credentials are not taken", "gcloud auth application-default login"],
        ),
        (Answer(403, "no permission"), ["403: no permission", "roles/dataflow.developer"]),
        (Answer(404, "no template"), ["404: no template", "check project, region"]),
        (Answer(409, "in the way"), ["it is not listed"]),
        (Answer(418, "a\nteapot\x1b" + "x" * 2000), ["418: a teapot", "..."]),
    ],
)
def test_a_refusal_is_one_line_with_the_remedy_and_is_not_sent_again(request_, answer, words):
    with Run(FakeDataflow(launches=[answer]), request_) as run:
        assert run.job is None
        told = str(run.error)
        assert all(word in told for word in words)
        assert "\n" not in told
        assert "http://" not in told
        assert len(told) < 800
        assert len(run.fake.requests) == 1


def test_a_service_that_never_answers_is_given_up_with_what_it_said_last(request_):
    with Run(FakeDataflow(launches=[Answer(503, "overloaded")] * 9), request_) as run:
        assert str(run.error) == (
            "the launch: Dataflow did not answer as it should (503: overloaded); try again: it will"
            " not be started twice"
        )
        assert len(run.fake.requests) == 5
        assert run.slept == sorted(run.slept, key=lambda pause: (pause == 0, pause))


def test_reading_is_tried_again_and_its_refusal_told(request_):
    lost = [Answer(503), Answer(0), Answer(200, body=b"{"), Answer(429)]
    with Run(FakeDataflow(reads=list(lost)), request_) as run:
        assert run.error is None
    for code in (403, 409):
        with Run(FakeDataflow(reads=[Answer(code, "no")]), request_) as run:
            assert str(run.error).startswith(f"the jobs: Dataflow says {code}: no; ")
            assert run.fake.requests == []


@pytest.mark.parametrize("job", [{"name": NAME}, {"id": "1", "name": "another"}])
def test_a_list_that_has_no_end_is_left_and_one_without_ids_is_no_answer(request_, job):
    class Listing(FakeDataflow):
        def listed(self, query):
            return 200, {"jobs": [job], "nextPageToken": "the same"}

    with Run(Listing(), request_) as run:
        assert (run.error is None) is ("id" in job)
        assert len(run.fake.requests) == ("id" in job)


@pytest.mark.parametrize(
    ("states", "messages", "told"),
    [
        (["QUEUED", "FAILED"], ["first", "The last\none"], "is failed: The last one; see https:"),
        (["FAILED"], [], "is failed: it gave no reason; see"),
        (["FAILED"], None, "is failed: the messages of job 2026-01-05_1: Dataflow says 403: no"),
        (["PENDING", "CANCELLED"], [], "is cancelled: "),
        (["DRAINING"], [], "is draining: "),
    ],
)
def test_a_job_that_does_not_come_to_run_is_told_with_its_reason(request_, states, messages, told):
    fake = FakeDataflow(states=[f"JOB_STATE_{each}" for each in states], messages=messages)
    with Run(fake, request_) as run:
        assert told in str(run.error)
        assert not isinstance(run.error, StillStartingError)


def test_a_job_that_ended_well_before_it_was_asked_for_is_done(request_):
    with Run(FakeDataflow(states=["JOB_STATE_DONE"]), request_) as run:
        assert run.error is None
        assert "has ended, and is done" in run.told[-1]


@pytest.mark.parametrize("seconds", [0.5, 25.0, 60.0])
def test_waiting_ends_when_its_time_is_over(request_, seconds):
    fake = FakeDataflow(states=list(itertools.repeat("JOB_STATE_PENDING", 50)))
    with Run(fake, request_, seconds) as run:
        assert isinstance(run.error, StillStartingError)
        assert f"is pending after {seconds:g} s" in str(run.error)
        assert sum(run.slept) == seconds
