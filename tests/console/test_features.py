"""A person is found by the id that events carry, under every key that may have made a row."""

import json

import pytest

from console import feature_reading
from console.main import main
from schemas.cells import row_key
from schemas.pseudonym import load_ring, pseudonym
from schemas.times import parse_rfc3339
from schemas.values import encode_value
from tests.schemas.any_event import a_contract, envelope_with, field, write_contract

TABLE = "projects/p/instances/i/tables/t"
VIEWS = "entity: user\nkey: user_id\nfeatures:\n  - {name: things, aggregate: count}\n"
HOUR = parse_rfc3339("2026-03-01T00:00:00Z")
RING = "a:0123456789abcdef\n2026-03-01T00:00:00Z b:fedcba9876543210\n"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Return the command of a table in which two keys of three have made a row of one person."""
    ring = tmp_path / "ring"
    ring.write_text(RING + "2027-03-01T00:00:00Z c:0f1e2d3c4b5a6978\n")
    old, new, _ = (pseudonym("ana", key) for key in load_ring(str(ring)).keys)
    rows = {
        row_key("user", old): [("t", "things", HOUR - 3_600_000_000 + 2_000, encode_value(2))],
        row_key("user", new): [("t", "things", HOUR + 1_000, encode_value(1))],
    }
    monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", "localhost:1")
    monkeypatch.setattr(feature_reading, "read_cells", lambda _table, key: rows.get(key, []))
    write_contract(tmp_path / "personal", envelope_with(2, pii="pseudonymise"), "envelope.avsc")
    for folder in ("personal", "plain"):
        write_contract(tmp_path / folder, a_contract(field("n", "int")))
    (tmp_path / "user.yaml").write_text(VIEWS)
    common = [
        "--bigtable_table", TABLE, "--features", str(tmp_path / "user.yaml"), "--spans", "24h",
        "--at", "2026-03-01T00:30:00Z",
    ]  # fmt: skip
    declared = {name: str(tmp_path / name) for name in ("personal", "plain")}
    return common, declared, str(ring), (old, new)


def get(capsys, *argv):
    with pytest.raises(SystemExit) as left:
        main(["features", "get", *argv])
    printed = capsys.readouterr()
    return left.value.code, printed.out, printed.err


def test_a_person_is_looked_for_under_every_key_of_the_ring(capsys, asked):
    common, declared, ring, (old, new) = asked
    where = [*common, "--contracts", declared["personal"]]
    status, out, _ = get(capsys, "ana", *where, "--pseudonym_key", f"file:{ring}")
    rows = json.loads(out)["rows"]
    assert status == 0
    assert [(row["row_key"][3:], row["things"]) for row in rows] == [
        (f"user#{old}", {"24h": 2}),
        (f"user#{new}", {"24h": 1}),
    ]
    status, out, _ = get(capsys, new, *where)
    assert (status, json.loads(out)["things"]) == (0, {"24h": 1})


def test_who_is_nowhere_and_ids_that_are_not_personal_are_one_line(capsys, asked):
    common, declared, ring, _ = asked
    key = ["--pseudonym_key", ring]
    status, _, err = get(capsys, "bo", *common, "--contracts", declared["personal"], *key)
    assert (status, err.count("#user#"), "has no row" in err) == (2, 3, True)
    status, _, err = get(capsys, "ana", *common, "--contracts", declared["plain"], *key)
    assert (status, "ids of --entity user are not personal" in err) == (2, True)
