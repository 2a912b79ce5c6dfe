"""A range of days is compacted to the rows that the `_current` view shows, and nothing else."""

import random
import shutil
from pathlib import Path

import pytest

from console.bigquery_tables import Asked, create_tables
from console.compact_tables import compact_tables
from local.resources import unique_name
from schemas.current_rows import current_rows
from schemas.table_names import Datasets
from schemas.tables import TableError
from transforms.bigquery_connection import bigquery_client

SHIPPED = Path(__file__).parents[2] / "schemas"
TABLE = "{table:silver_billing.refund}"
DAYS = ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z"]
FIRST, END = "2026-01-01", "2026-02-01"


@pytest.fixture
def place(bigquery_emulator, tmp_path):
    contracts = tmp_path / "contracts"
    (contracts / "billing").mkdir(parents=True)
    shutil.copy(SHIPPED / "contracts/billing/refund.avsc", contracts / "billing")
    prefix = unique_name("p").replace("-", "_") + "_"
    asked = Asked(bigquery_emulator.project, prefix, contracts=str(contracts))
    assert "created silver_billing.refund" in list(create_tables(asked))
    return Place(Datasets(asked.project, prefix), str(contracts))


class Place:
    """A curated table and what is asked of it."""

    def __init__(self, datasets, contracts):
        self.datasets, self.contracts = datasets, contracts
        self.client = bigquery_client(datasets.project)

    def compact(self, first=FIRST, end=END):
        return list(compact_tables(self.datasets, self.contracts, first, end))

    def rows(self, where):
        found = self.client.query(self.datasets.sql(f"SELECT * FROM {where}")).result()
        return sorted((dict(row) for row in found), key=repr)

    def insert(self, rows):
        table = self.client.get_table(self.datasets.full("silver_billing.refund"))
        assert not self.client.insert_rows_json(table, rows)


def refund(event_id, at, **more):
    details = dict.fromkeys(("refund_id", "order_id", "currency", "reason"), "a")
    return {
        "event_id": event_id,
        "event_type": "refund",
        "user_id": "u",
        "event_timestamp": at,
        "event_details": {**details, "amount_minor": 5},
        **more,
    }


def written(seed):
    """Return rows as retries, replays and conflicts may leave them."""
    chance = random.Random(seed)
    stamps = ["2026-01-31T12:00:01Z", "2026-01-31T12:00:02Z", None]
    return [
        refund(
            f"{at[:10]}-{chance.randrange(6)}",
            at,
            publish_time=chance.choice(stamps),
            unknown_fields=chance.choice([[], ["d.a"], ["d.a", "d.b"], ["d.a.x", "d.a.y"]]),
            content_digest=chance.choice("ab"),
            ingest_time=chance.choice(stamps[:2]),
            message_id=chance.choice(["1", "2", None]),
        )
        for at in DAYS
        for _ in range(chance.randrange(20))
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_left_of_a_range_is_what_the_view_showed_and_the_rest_stays(place, seed):
    rows = written(seed)
    place.insert(rows)
    shown = place.rows("{table:silver_billing.refund_current}")
    outside = place.rows(f"{TABLE} WHERE event_timestamp < '2026-01-01'")
    inside = [row for row in rows if row["event_timestamp"] >= FIRST]
    repeated = len(inside) - len(current_rows(inside))
    told = place.compact()
    assert sum(int(line.split()[1]) for line in told) == repeated > 0
    assert place.rows(f"{TABLE} WHERE event_timestamp < '2026-01-01'") == outside
    kept = place.rows(f"{TABLE} WHERE event_timestamp >= '2026-01-01'")
    assert len(kept) == len(current_rows(inside))
    assert kept == [row for row in shown if row["event_timestamp"].year == 2026]
    assert place.rows("{table:silver_billing.refund_current}") == shown
    assert place.compact() == ["nothing to do"]


def test_an_id_of_two_days_of_the_range_is_one_row_too(place):
    common = {"content_digest": "a", "ingest_time": DAYS[2]}
    days = ["2026-01-20T00:00:00Z", "2026-01-02T00:00:00Z"]
    place.insert([refund("e", at, publish_time=at, **common) for at in days])
    for first, end in (("2026-01-02", "2026-01-20"), ("2026-01-03", "2026-01-21")):
        assert place.compact(first, end) == ["nothing to do"]
    assert place.compact("2026-01-02", "2026-01-21") == [
        "silver_billing.refund: 1 repeated rows removed, 2026-01-02 to 2026-01-21"
    ]
    assert [row["event_timestamp"].day for row in place.rows(TABLE)] == [2]


@pytest.mark.parametrize(
    ("first", "end", "words"),
    [
        ("2026-01-01", "2026-01-01", "no day is between them"),
        ("yesterday", "2026-01-01", "write days, such as 2026-01-31"),
    ],
)
def test_days_that_are_none_are_refused(place, first, end, words):
    with pytest.raises(TableError, match=words):
        place.compact(first, end)


def test_a_table_that_is_missing_is_one_line(place):
    other = Place(Datasets(place.datasets.project, "other_"), place.contracts)
    with pytest.raises(TableError, match="no such table; `penstock tables create ") as refused:
        other.compact()
    assert f"--prefix=other_ --contracts={place.contracts}` makes it" in str(refused.value)
