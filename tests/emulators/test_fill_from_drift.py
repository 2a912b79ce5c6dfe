"""Tables of BigQuery are filled: a contract gains fields, and the view is that of curating anew."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from console.bigquery_tables import Asked, apply_tables, create_tables
from local.resources import unique_name
from pipelines.fill_from_drift import main
from schemas.content import content_digest
from schemas.contract import load_contracts
from schemas.current_rows import current_rows
from schemas.decoder import Decoder, Refusal
from schemas.pseudonym import Pseudonymiser
from schemas.silver_rows import SilverTable, drift_row
from schemas.table_names import Datasets
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.schemas.any_event import a_contract, any_event, field, write_contract
from tests.schemas.bigquery_load import load, micros
from transforms.quarantine import read_quarantine

PAGE = field("page", "string")
CLICKS = field("clicks", "int", default=0)
EMAIL = field("email", ["null", "string"], default=None, pii="pseudonymise")
NIGHT, MORNING = "2026-01-31T23:59:59.999999Z", "2026-02-01T00:00:00Z"


def campaign(*names):
    members = [field(name, ["null", "string"], default=None) for name in names]
    part = {"type": "record", "name": "Campaign", "fields": members}
    return field("campaign", ["null", part], default=None)


def lines(*names):
    members = [field("n", "long"), *(field(name, ["null", "double"]) for name in names)]
    part = {"type": "record", "name": "Line", "fields": members}
    return field("lines", {"type": "array", "items": part}, default=[])


SPENT = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
STEPS = [
    [PAGE, lines()],
    [PAGE, lines("share"), CLICKS, EMAIL, campaign("source")],
    [PAGE, lines("share"), CLICKS, EMAIL, campaign("source", "in_2026"),
     field("spent", ["null", SPENT], default=None)],
]  # fmt: skip
EVENTS = {
    ("e1", NIGHT): {"page": "/", "email": "ana@example.com", "lines": [{"n": 1}]},
    ("e2", NIGHT): {"page": "/", "campaign": {"source": "s", "in_2026": "x", "a b": 1}},
    ("e3", MORNING): {"page": "/", "lines": [{"n": 2**60, "share": 0.5}, {"n": 1}], "clicks": 3},
    ("e4", MORNING): {"page": "/"},
    ("e5", MORNING): {"page": "/", "email": 5},
    ("e6", MORNING): {"page": "/", "campaign": None, "spent": "1.50", "never": [1]},
}


def curated(contracts, ingested, copies=1):
    """Return the rows that the events have, and those of the drift; each was published often."""
    decoder, table = Decoder(contracts), SilverTable(contracts, "thing")
    rows, drifts = [], []
    for (event_id, at), details in EVENTS.items():
        event = any_event(
            event_id=event_id, event_type="thing", event_timestamp=at, event_details=details
        )
        for copy in range(copies):
            read = decoder.read(json.dumps(event).encode(), {}, None)
            if isinstance(read, Refusal):
                continue
            record, _, drift = read
            told = {
                "content_digest": content_digest(record, drift).hex(),
                "ingest_time": ingested,
                "publish_time": f"2026-02-01T12:00:0{copy}Z",
            }
            ending = b"," + json.dumps(told).encode()[1:]
            if drift is not None:
                drifts.append(drift_row("thing", record, ending, drift))
            record = Pseudonymiser(contracts, f"env:{KEY_VARIABLE}").apply(record)
            numbered = ending[:-1] + b', "message_id":"%d"}' % copy
            rows.append(table.row(record, numbered, drift))
    return rows, drifts


class Place:
    """The tables of one type whose contract gains fields, and what is asked of them."""

    def __init__(self, bigquery, storage, folder):
        self.folder, self.client = folder, bigquery.client
        prefix = unique_name("f").replace("-", "_") + "_"
        self.datasets = Datasets(bigquery.project, prefix)
        self.staging = f"gs://{storage.bucket()}/staging"
        self.contracts = str(folder / "contracts")

    def evolve(self, step):
        write_contract(Path(self.contracts), a_contract(*STEPS[step]))
        return Asked(self.datasets.project, self.datasets.prefix, contracts=self.contracts)

    def insert(self, table, rows):
        full = self.client.get_table(self.datasets.full(table))
        assert not self.client.insert_rows_json(full, list(map(json.loads, rows)))

    def fill(self, *more, prefix=None):
        """Run the job; return its counters, or its exit status where it did not end well."""
        counters = self.folder / "counters.json"
        argv = [
            f"--bigquery_project={self.datasets.project}",
            f"--dataset_prefix={prefix or self.datasets.prefix}",
            f"--contracts={self.contracts}",
            f"--pseudonym_key=env:{KEY_VARIABLE}",
            f"--quarantine_output={self.folder / 'quarantine'}",
            f"--counters_output={counters}",
            *more,
        ]
        status = main(argv)
        return json.loads(counters.read_text()) if status == 0 else status

    def load(self, *more, **other):
        return self.fill(f"--staging={self.staging}", *more, **other)

    def rows(self, name="thing_current"):
        query = f"SELECT * FROM `{self.datasets.full(f'silver_shop.{name}')}` ORDER BY event_id"
        return [as_read(dict(row)) for row in self.client.query(query).result()]

    def anew(self):
        """Return what the view shows where the contract of now curates the same messages."""
        contracts = load_contracts(self.contracts)
        table = SilverTable(contracts, "thing")
        schema = [each.to_api_repr() for each in self.client.get_table(
            self.datasets.full(table.name)).schema]  # fmt: skip
        rows, _ = curated(contracts, MORNING)
        current = current_rows(map(json.loads, rows))
        return [
            as_read(load(json.dumps(current[each]).encode(), schema)) for each in sorted(current)
        ]


def as_read(value):
    """Return a row without what depends on the run, and on values that a row does not hold."""
    if isinstance(value, dict):
        told = {name: as_read(each) for name, each in value.items()}
        return {n: v for n, v in told.items() if n not in ("ingest_time", "content_digest")}
    if isinstance(value, list):
        return [as_read(each) for each in value]
    return micros(value) if isinstance(value, datetime) else value


@pytest.fixture
def place(bigquery_emulator, gcs_emulator, tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    made = Place(bigquery_emulator, gcs_emulator, tmp_path)
    assert list(create_tables(made.evolve(0)))
    rows, drifts = curated(load_contracts(made.contracts), NIGHT, copies=2)
    # Whoever inserts delivers at least once.
    made.insert("silver_shop.thing", [*rows, *rows[::2]])
    made.insert("ops.drift", [*drifts, *drifts[::3]])
    return made


def of_old(rows, *ids):
    return [row for row in rows if row["event_id"] in ids]


def test_after_columns_are_added_and_filled_the_view_is_that_of_curating_anew(place, capsys):
    assert place.load(prefix="nowhere_") == 2
    assert "no such table" in capsys.readouterr().err
    asked = place.evolve(1)
    assert place.load() == 2
    told = capsys.readouterr().err
    assert "penstock tables apply" in told
    assert len(told.splitlines()) == 1
    assert apply_tables(asked)[1]
    before = place.rows()
    first = place.load("--to=2026-02-01")
    assert (first["rows_read"], first["filled"], first["rows_written"]) == (2, 2, 2)
    second = place.load("--event_type=thing")
    assert (second["rows_read"], second["filled"], second["unknown_still"]) == (4, 2, 1)
    assert second["rejected"] == {"row_refused": 1}
    # What does not fit stays as it was; what carried nothing new lacks defaults.
    same = of_old(before, "e4", "e5")
    wanted = [row for row in place.anew() if row["event_id"] != "e4"]
    assert place.rows() == sorted([*wanted, *same], key=lambda row: row["event_id"])
    [refused] = read_quarantine(str(place.folder / "quarantine"))
    assert json.loads(json.loads(refused.payload)["drift"]) == {"event_details": {"email": 5}}
    assert apply_tables(place.evolve(2))[1]
    third = place.fill("--write_method=inserts")
    assert (third["filled"], third["rows_written"]) == (2, 2)
    held = len(place.rows("thing"))
    again = place.fill("--write_method=inserts")
    assert (again["rows_read"], again["filled"], again["unknown_still"]) == (3, 0, 2)
    assert len(place.rows("thing")) == held
    shown = [row for row in place.rows() if row["event_id"] in ("e2", "e6")]
    assert shown == of_old(place.anew(), "e2", "e6")
