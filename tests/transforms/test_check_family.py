"""Whether a table takes writes to a family, asked at a launch."""

import pytest
from grpc import StatusCode as Code

from tests.fake_bigtable import FakeBigtable, always, serving
from transforms.check_family import check_family

TABLE = "projects/p/instances/i/tables/t"


def asked(monkeypatch, fake):
    with serving(fake) as address:
        monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", address)
        check_family(TABLE, "t")


def test_a_table_that_takes_writes_is_left_as_it_is(monkeypatch):
    fake = FakeBigtable()
    asked(monkeypatch, fake)
    assert len(fake.requests) == 1
    assert not any(row for row in fake.rows.values())


@pytest.mark.parametrize("where", ["script", "request_script"])
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Code.NOT_FOUND, f"`penstock tables create --bigtable_table={TABLE}`, or mend its name"),
        (Code.INVALID_ARGUMENT, "penstock tables create"),
        (Code.PERMISSION_DENIED, "roles/bigtable.user"),
        (Code.UNAUTHENTICATED, "log in to gcloud"),
    ],
)
def test_what_is_missing_is_one_line_with_the_remedy(monkeypatch, where, code, words):
    fake = FakeBigtable(**{where: always(code) if where == "script" else lambda _: code})
    with pytest.raises(ValueError, match="takes no writes to the family t") as caught:
        asked(monkeypatch, fake)
    assert words in str(caught.value)
    assert code.name in str(caught.value)


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.ABORTED])
def test_of_a_service_that_does_not_answer_nothing_is_said(monkeypatch, code):
    asked(monkeypatch, FakeBigtable(request_script=lambda _: code))
