"""`penstock cost`: files are read strictly, the output is a table or JSON, an error one line."""

import json

import pytest
import yaml

from console import cost_page
from console.cost_files import EXAMPLES, LIMITS, PRICES, read_limits, read_rates
from console.cost_page import DEFAULTS, PAGE, page
from console.main import app, main

RATES = EXAMPLES / "prices.example.yaml"
BOUNDS = EXAMPLES / "limits.example.yaml"


def run(capsys, *words):
    """Return status, lines and complaint of the command."""
    with pytest.raises(SystemExit) as left:
        main(["cost", *map(str, words)])
    told = capsys.readouterr()
    return left.value.code, told.out.splitlines(), told.err


def changed(tmp_path, example, change):
    """Write an example with a change, as a user would."""
    fields = yaml.safe_load(example.read_text())
    change(fields)
    path = tmp_path / "given.yaml"
    path.write_text(yaml.safe_dump(fields, sort_keys=False))
    return path


def test_a_bill_is_told_as_a_table_with_growth_limits_and_the_first_of_them(capsys):
    status, lines, complaint = run(capsys)
    assert (status, complaint) == (0, "")
    assert any(line.startswith("Dataflow") and "vCPU s" in line for line in lines)
    assert any(
        line.startswith("1,000,000 ") or line.strip().startswith("1,000,000 ") for line in lines
    )
    assert lines[-1].startswith("first limit: bigtable_nodes")
    assert any("nobody checked: bigtable_node_hour" in line for line in lines)


def test_json_has_the_same_and_its_lines_add_up(capsys):
    status, lines, _ = run(capsys, "--json", "--events_per_second", 5_000)
    told = json.loads("\n".join(lines))
    assert status == 0
    assert told["workload"]["events_per_second"] == 5_000
    for bill in told["per_million_events"].values():
        assert sum(line["cost"] for line in bill["lines"]) == pytest.approx(bill["cost"])
    assert [each["events_per_second"] for each in told["growth"]] == [1e3, 1e4, 1e5, 1e6]
    assert set(told["limits"]) == set(LIMITS)
    named = told["first_limit"]["name"]
    before = next(each for each in told["growth"] if each["exceeded"])
    assert named in before["exceeded"]
    assert told["first_limit"]["events_per_second"] <= before["events_per_second"]


def test_prices_of_a_file_are_those_that_are_billed(capsys, tmp_path):
    def dearer(fields):
        fields["prices"]["pubsub_tib"]["price"] *= 10
        fields["currency"] = "EUR"

    found = []
    for words in ((), ("--prices", changed(tmp_path, RATES, dearer))):
        told = json.loads("\n".join(run(capsys, "--json", *words)[1]))
        lines = told["per_million_events"]["penstock"]["lines"]
        found.append({line["service"]: line["cost"] for line in lines if line["unit"] == "GiB"})
    assert told["currency"] == "EUR"
    assert found[1]["Pub/Sub"] == pytest.approx(10 * found[0]["Pub/Sub"])


def test_streaming_engine_is_billed_by_units_where_that_is_asked_for(capsys):
    told = run(capsys, "--engine_billing", "units")[1]
    assert any("Streaming Engine" in line and "unit hours" in line for line in told)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--events_per_second", 0), "--events_per_second 0: give events a second"),
        (("--events_per_second", "nan"), "--events_per_second nan: give"),
        (("--duplicates", 1), "--duplicates 1: give share of messages"),
        (("--hot_key_share", -0.1), "--hot_key_share -0.1: give share of events"),
        (("--bytes_per_event", -1), "--bytes_per_event -1: give bytes"),
        (("--shards", -1), "--shards -1: give 1 to 1000000"),
        (("--engine_billing", "hours"), "--engine_billing hours: give data or units"),
        (("--prices", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("--measured", "nowhere"), "make bench ONLY=event_bytes"),
        (("--entities", "many"), "'--entities': Input should be a valid number"),
    ],
)
def test_what_cannot_be_reckoned_is_one_line_that_says_what_to_give(capsys, words, complaint):
    status, lines, told = run(capsys, *words)
    assert (status, lines) == (2, [])
    assert told.count("\n") == 1
    assert complaint in told


def without(*path):
    def change(fields):
        for name in path[:-1]:
            fields = fields[name]
        del fields[path[-1]]

    return change


def given(value, *path):
    def change(fields):
        for name in path[:-1]:
            fields = fields[name]
        fields[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without("prices", "pubsub_tib"), "prices: pubsub_tib missing"),
        (without("prices", "pubsub_tib", "source"), "prices.pubsub_tib: source missing"),
        (without("assumptions"), "the file: assumptions missing"),
        (given(None, "prices", "pubsub_tib", "price"), "prices.pubsub_tib: price missing"),
        (given(-1, "prices", "pubsub_tib", "price"), "price: write a number from 0 on"),
        (given("free", "prices", "pubsub_tib", "price"), "price: write a number from 0 on"),
        (given("1e400", "prices", "pubsub_tib", "price"), "price: write a number from 0 on"),
        (given([1], "prices", "pubsub_tib", "price"), "price: write a number from 0 on"),
        (given(3, "prices", "pubsub_tib"), "prices.pubsub_tib: holds no fields"),
        (
            given("maybe", "prices", "pubsub_tib", "checked"),
            "checked: write one of page, quoted, no",
        ),
        (given({"price": 1}, "prices", "pubsub_gib"), "prices: pubsub_gib unknown"),
        (given(0, "assumptions", "worker_utilisation", "value"), "write a number above 0"),
        (given(1.5, "assumptions", "worker_utilisation", "value"), "a share is 1 at most"),
    ],
)
def test_prices_that_lack_or_hold_something_wrong_are_refused_by_line_and_name(
    tmp_path, change, complaint
):
    with pytest.raises(ValueError, match=r"given.yaml:\d+: ") as refused:
        read_rates(changed(tmp_path, RATES, change))
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without("limits", "bigtable_nodes"), "limits: bigtable_nodes missing"),
        (given(0, "limits", "bigtable_nodes", "value"), "value: write a number above 0"),
        (without("limits", "bigtable_nodes", "remedy"), "limits.bigtable_nodes: remedy missing"),
    ],
)
def test_limits_are_read_as_strictly(tmp_path, change, complaint):
    with pytest.raises(ValueError, match=r"given.yaml:\d+: ") as refused:
        read_limits(changed(tmp_path, BOUNDS, change))
    assert complaint in str(refused.value)


@pytest.mark.parametrize("damage", ["not JSON", "[]", '{"contenders": []}', '{"figures": 3}'])
def test_records_that_are_none_say_which_benchmark_makes_them(capsys, tmp_path, damage):
    for name in ("event_bytes", "archive_size", "state_per_id", "hot_path", "archive", "curate",
                 "window_measures"):  # fmt: skip
        (tmp_path / f"{name}.json").write_text(damage)
    status, _, told = run(capsys, "--measured", tmp_path)
    assert status == 2
    assert "make bench ONLY=" in told


def test_every_price_of_the_example_has_a_source_and_a_day_and_every_assumption_a_reason():
    fields = yaml.safe_load(RATES.read_text())
    for name in PRICES:
        entry = fields["prices"][name]
        assert entry["source"].startswith("https://cloud.google.com/"), name
        assert str(entry["date"]).startswith("2026-"), name
    assert all(len(each["why"]) > 10 for each in fields["assumptions"].values())
    assert read_rates(RATES).unverified


def test_the_tables_of_the_page_are_those_of_the_records():
    """Where this fails: `make docs`."""
    assert page() == PAGE.read_text()


def test_the_page_is_reckoned_with_the_defaults_of_the_command():
    import typer  # noqa: PLC0415

    command = typer.main.get_command(app).commands["cost"]
    defaults = {each.name: each.default for each in command.params}
    assert {name: defaults[name] for name in DEFAULTS} == DEFAULTS


def test_a_page_without_a_place_for_a_table_is_told(tmp_path, monkeypatch):
    path = tmp_path / "cost.md"
    path.write_text("# Cost\n")
    monkeypatch.setattr(cost_page, "PAGE", path)
    with pytest.raises(ValueError, match="write the lines <!-- measured"):
        page()
