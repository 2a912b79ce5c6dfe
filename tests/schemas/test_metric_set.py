import json
import pathlib
import pickle
import time

import pytest

from schemas.contract import load_contracts
from schemas.metric import window_name
from schemas.metric_check import COLUMNS
from schemas.metric_set import MetricError, load_metrics, parse_metric
from schemas.metric_tables import pane_table
from schemas.rejected import Reason
from schemas.values import ValueType
from tests.feature_builders import CONTRACTS
from tests.schemas.any_event import a_contract, every_type, field, write_contract

MINUTE = 60_000_000
COUNTING = {"name": "mine", "doc": "What there is.", "windows": ["1m", "5m"]}


def text(**changed):
    return json.dumps({key: value for key, value in {**COUNTING, **changed}.items() if value != ""})


def parsed(contracts=CONTRACTS, **changed):
    return parse_metric(text(**changed), "mine.yaml", contracts)


def refusal(given, contracts=CONTRACTS):
    with pytest.raises(MetricError) as error:
        parse_metric(given, "mine.yaml", contracts)
    message = str(error.value)
    assert message.startswith("mine.yaml: ")
    assert "\n" not in message
    return message


def measure(kind="count", name="n", **more):
    return {"name": name, "measure": kind, **more}


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """A contract with every supported type."""
    return load_contracts(write_contract(tmp_path_factory.mktemp("contracts"), every_type()))


def test_the_shipped_metrics_measure_what_the_docs_promise():
    metrics = {each.name: each for each in load_metrics(None, CONTRACTS)}
    assert set(metrics) == {"activity", "event_age", "lesson_funnel", "purchases", "rejects"}
    assert all(each.windows == (MINUTE, 5 * MINUTE) for each in metrics.values())
    assert [each.name for each in metrics["activity"].dimensions] == ["event_type", "country"]
    assert [each.name for each in metrics["purchases"].dimensions] == ["currency"]
    assert metrics["rejects"].source == "rejects"
    steps = [each.name for each in metrics["lesson_funnel"].measures]
    assert steps[:5] == ["started", "started_anew", "completed", "quizzes", "passed"]


def test_every_currency_is_zero_in_a_window_without_a_purchase():
    [purchases] = [each for each in load_metrics(None, CONTRACTS) if each.name == "purchases"]
    symbols = CONTRACTS.field("purchase", "event_details.currency").symbols
    assert {currency for (currency,) in purchases.fill} == set(symbols)


def test_metrics_can_be_pickled_and_are_equal_after():
    metrics = load_metrics(None, CONTRACTS)
    assert pickle.loads(pickle.dumps(metrics)) == metrics


def test_the_example_of_the_docs_can_be_used_as_it_stands():
    page = pathlib.Path(__file__).parents[2] / "docs" / "metrics.md"
    example = page.read_text().partition("```yaml\n")[2].partition("```")[0]
    found = parse_metric(example, "example.yaml", CONTRACTS)
    assert (found.name, found.allowed_lateness, found.fill) == (
        "purchases",
        60 * MINUTE,
        (("EUR",), ("USD",)),
    )


def test_the_names_that_are_taken_are_the_columns_of_every_metric():
    assert [column.name for column in pane_table(parsed()).columns] == [*COLUMNS]


def test_what_is_not_said_has_a_default():
    found = parsed()
    assert (found.source, found.dimensions, found.measures) == ("events", (), ())
    assert found.allowed_lateness == 60 * MINUTE
    assert found.triggers.speculative_every is None
    assert found.triggers.on_time
    assert found.triggers.on_late
    assert not found.bigtable
    assert found.fill_within == 7 * 1_440 * MINUTE
    assert found.event_types == tuple(sorted(CONTRACTS.types))


def test_what_is_said_is_kept():
    found = parsed(
        windows=["5m", "90s", "1d"],
        dimensions={"where_from": "event_details.country"},
        where={"event_type": ["purchase", "refund"]},
        allowed_lateness="10m",
        triggers={"speculative_every": "10s", "on_time": False, "on_late": "none"},
        fill={"zero": [{"where_from": "DE"}, {"where_from": None}], "within": "36h"},
        bigtable=True,
    )
    assert [window_name(length) for length in found.windows] == ["90s", "5m", "1d"]
    assert found.dimensions[0].name == "where_from"
    assert found.dimensions[0].value == ValueType("string")
    assert found.event_types == ("purchase", "refund")
    assert found.allowed_lateness == 10 * MINUTE
    assert found.triggers.speculative_every == 10_000_000
    assert (found.triggers.on_time, found.triggers.on_late) == (False, False)
    assert found.fill == (("DE",), (None,))
    assert found.fill_within == 36 * 60 * MINUTE
    assert found.bigtable
    assert found.least_horizon == (10 + 1_440) * MINUTE


def test_a_dimension_is_named_by_the_last_member_of_its_path_if_by_nothing_else():
    found = parsed(dimensions=["event_type", "event_details.campaign.source", "source_system"])
    assert [each.name for each in found.dimensions] == ["event_type", "source", "source_system"]


def test_event_types_without_a_dimension_belong_to_a_metric_and_those_without_a_condition_do_not():
    assert "click" in parsed(dimensions=["event_details.country"]).event_types
    found = parsed(where={"event_details.country": "DE"})
    assert "click" not in found.event_types
    assert "login" in found.event_types


def test_a_measure_is_of_the_event_types_that_have_its_fields():
    found = parsed(
        where={"event_type": ["click", "feature_used", "page_view"]},
        measures=[
            measure("sum", field="event_details.duration_ms"),
            measure("count", "web", where={"event_details.platform": "web"}),
            measure("max", "age", field="age_ms"),
            measure("approx_distinct", "plans", field="event_details.plan"),
        ],
    )
    types = {each.name: each.event_types for each in found.measures}
    assert types["n"] == ("feature_used", "page_view")
    assert types["web"] == ("click", "feature_used", "page_view")
    assert types["age"] == ("click", "feature_used", "page_view")
    assert types["plans"] == ("feature_used",)
    assert [each.value for each in found.measures] == [ValueType("long")] * 4


def test_ratios_have_no_entry_of_their_own():
    found = parsed(
        measures=[measure("ratio", "both", of=["a", "b"]), measure(name="a"), measure(name="b")]
    )
    assert [each.name for each in found.kept] == ["a", "b"]
    assert found.measures[0].value == ValueType("double")


def test_rejects_are_measured_by_reason_and_step():
    found = parsed(
        source="rejects",
        dimensions=["reason", "step"],
        where={"reason": [reason.value for reason in Reason]},
        measures=[measure("count", "decoding", where={"step": "Decode"})],
    )
    assert found.event_types == ("rejects",)
    assert found.measures[0].event_types == ("rejects",)


def test_a_definition_has_the_same_slot_for_ever_and_another_when_its_entries_mean_another_thing():
    assert parsed(measures=[measure()]).slot == 4_294_433_202
    changed = [
        parsed(),
        parsed(measures=[measure()]),
        parsed(measures=[measure("sum", field="event_details.duration_ms")]),
        parsed(measures=[measure("max", field="event_details.duration_ms")]),
        parsed(measures=[measure(field="event_details.duration_ms")]),
        parsed(measures=[measure(), measure(name="m")]),
        parsed(measures=[measure(name="m"), measure()]),
        parsed(measures=[measure(where={"event_type": "login"})]),
        parsed(measures=[measure()], where={"event_type": "login"}),
        parsed(measures=[measure()], where={"event_details.platform": "web"}),
        parsed(measures=[measure()], dimensions=["event_details.country"]),
        parsed(measures=[measure()], dimensions=["user_id"]),
        parsed(measures=[measure()], source="rejects"),
        parsed(measures=[measure()], name="other"),
    ]
    assert len({each.slot for each in changed}) == len(changed)


def test_what_says_only_when_and_how_to_tell_a_value_leaves_the_slot():
    ratio = measure("ratio", "r", of=["n", "n"])
    told = [
        parsed(measures=[measure()]),
        parsed(measures=[measure(), ratio]),
        parsed(measures=[measure()], windows=["1h"]),
        parsed(measures=[measure()], allowed_lateness="0s", doc="Other words."),
        parsed(measures=[measure()], triggers={"speculative_every": "1s"}),
        parsed(measures=[measure()], fill={"zero": [{}]}),
    ]
    assert len({each.slot for each in told}) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "object"),
        ("[", "not YAML"),
        (text(colour="red"), "unknown field `colour`; the keys here are name, doc"),
        (text(doc=""), "missing required field `doc`"),
        (text(doc=" "), "say what the metric tells"),
        (text(name="my metric"), "name 'my metric'"),
        (text(source="clicks"), "source 'clicks' is unknown; use events or rejects"),
        (text(windows=[]), "windows: none is there"),
        (text(windows=["7m"]), "7m does not divide a day"),
        (text(windows=["1m", "500ms"]), "500ms does not divide a day; use 1s or more"),
        (text(windows=["1500ms"]), "1500ms does not divide a day"),
        (text(windows=["2d"]), "2d does not divide a day"),
        (text(windows=["0"]), "0 does not divide a day"),
        (text(windows=["soon"]), "no length of time"),
        (text(windows=["1m", "60s"]), "is given twice"),
        (text(dimensions=["event_details.contry"]), "did you mean 'event_details.country'?"),
        (text(dimensions=["contry"]), "dimension 'contry': dimension 'contry' is in no contract"),
        (text(dimensions=["event_details.ip_address"]), "personal and dropped"),
        (text(dimensions=["event_details.items"]), "of kind array"),
        (text(dimensions=["event_details.preferences"]), "of kind map"),
        (text(dimensions=["event_details"]), "of kind record"),
        (text(dimensions=["event_details.progress"]), "is a double; tables are not grouped"),
        (text(dimensions=["event_type", "event_type"]), "'event_type' is given twice"),
        (text(dimensions={"Event Type": "event_type"}), "name 'Event Type'"),
        (text(dimensions={"window": "event_type"}), "'window' is a column of every metric"),
        (text(dimensions={"Generation": "event_type"}), "'Generation' is a column of every"),
        (
            text(dimensions={"kind": "event_type", "Kind": "user_id"}),
            "name 'Kind' is in the way of 'kind'; rename it",
        ),
        (text(measures=[measure(name="event_count")]), "'event_count' is a column of every"),
        (text(measures=[measure(), measure()]), "'n' is given twice"),
        (text(dimensions={"N": "event_type"}, measures=[measure()]), "'n' is in the way of 'N'"),
        (
            text(
                measures=[
                    measure("approx_distinct", "users", field="user_id"),
                    measure(name="users_theta"),
                ]
            ),
            "'users_theta' is in the way of 'users_theta'",
        ),
        (text(measures=[5]), "measure number 1"),
        (text(measures=[{"name": "n"}]), "measure 'n': Object missing required field `measure`"),
        (text(measures=[measure(note="x")]), "measure 'n': Object contains unknown field"),
        (text(measures=[measure("mean")]), "measure 'mean' is unknown; use one of count, sum"),
        (text(measures=[measure("last", field="user_id")]), "measure 'last' is unknown"),
        (text(measures=[measure("sum")]), "sum needs a field"),
        (text(measures=[measure("sum", field="user_id")]), "which is a string; sum only"),
        (text(measures=[measure("sum", field="event_details.progress")]), "which is a double"),
        (text(measures=[measure("sum", field="event_details.success")]), "which is a boolean"),
        (text(measures=[measure("max", field="event_details.durations")]), "did you mean"),
        (text(measures=[measure("min", field="event_details.ip_address")]), "personal and dro"),
        (text(measures=[measure("min", field="event_details.answers")]), "of kind array"),
        (text(measures=[measure(name="my n")]), "name 'my n'"),
        (text(measures=[measure(where={"event_type": "sign_up"})]), "'sign_up', which has no"),
        (text(measures=[measure(where={"event_details.nope": 1})]), "where 'event_details.nope'"),
        (
            text(where={"event_type": "login"}, measures=[measure(where={"event_type": "click"})]),
            "no event type that the metric is about",
        ),
        (
            text(where={"event_type": "login"}, measures=[measure("max", field="event_details.x")]),
            "in no contract that it could apply to (login)",
        ),
        (text(measures=[measure(of=["a", "b"])]), "`of` is for ratios, not for count"),
        (text(measures=[measure("ratio")]), "a ratio has `of: [numerator, denominator]`"),
        (text(measures=[measure("ratio", of=["a"])]), "a ratio has `of"),
        (text(measures=[measure("ratio", of=["a", "b"], field="user_id")]), "neither field nor"),
        (text(measures=[measure("ratio", of=["n", "a"])]), "a ratio of itself"),
        (
            text(measures=[measure(name="a"), measure("ratio", "r", of=["a", "b"])]),
            "ratio 'r' is of 'b', which is no measure here; there: a",
        ),
        (
            text(
                measures=[
                    measure(name="a"),
                    measure("ratio", "r", of=["a", "a"]),
                    measure("ratio", "s", of=["a", "r"]),
                ]
            ),
            "is of 'r', which is a ratio",
        ),
        (
            text(
                measures=[
                    measure("max", "page", field="event_details.page"),
                    measure(),
                    measure("ratio", "r", of=["n", "page"]),
                ]
            ),
            "which is a string; name measured numbers",
        ),
        (text(where={"event_type": {"a": 1}}), "where 'event_type' compares with a list in a"),
        (text(where={"event_type": [["login"]]}), "list in a list, or a map; give one value or"),
        (text(where={"age_ms": [[5]]}), "where: where 'age_ms' compares with a list in a list"),
        (text(measures=[measure(where={"event_type": {}})]), "measure 'n': where 'event_type' com"),
        (text(doc="\ud83d"), "doc: it holds half a character"),
        (text(**{"\udc00": 1}), "file: a text in it holds half a character"),
        (text(where={"event_type": "sign_up"}), "where: where names the event type 'sign_up'"),
        (text(where={"event_details.nope": 1}), "where 'event_details.nope' is in no contract"),
        (text(where={"event_details.currency": "XXX"}), "one of BRL, EUR"),
        (text(where={"event_details.email": "a"}), "is personal"),
        (text(where={"age_ms": "old"}), "it is long"),
        (text(allowed_lateness="long"), "allowed_lateness: 'long' is no length of time"),
        (text(allowed_lateness="31d"), "31d is more than 30 days"),
        (text(triggers={"speculative_every": "900ms"}), "speculative_every 900ms is below 1s"),
        (text(triggers={"speculative_every": "fast"}), "no length of time"),
        (text(triggers={"on_late": "all"}), "Invalid enum value 'all'"),
        (text(triggers={"on_early": "each"}), "unknown field `on_early`"),
        (text(triggers={"on_time": False, "on_late": "none"}), "nothing ever tells a value"),
        (text(bigtable="yes"), "Expected `bool`, got `str`"),
        (text(fill={"zero": [{}], "within": "4m"}), "fill: within 4m: give at least the longest"),
        (text(fill={"zero": [{}], "within": "367d"}), "the longest window, 5m, and at most 366d"),
        (text(fill={"zero": [{}], "within": "long"}), "'long' is no length of time"),
        (text(fill={"within": "1d"}), "within is for the keys of zero, and there are none"),
        (text(fill={"ones": []}), "unknown field `ones`"),
        (text(fill={"zero": [{"country": "DE"}]}), "give a value of each: none, as the metric"),
        (
            text(dimensions=["event_type", "user_id"], fill={"zero": [{"event_type": "login"}]}),
            "fill names event_type; give a value of each: event_type, user_id",
        ),
        (
            text(dimensions=["event_type"], fill={"zero": [{"event_type": "logn"}]}),
            "fill 'event_type' can never be 'logn': no event of it is in the metric",
        ),
        (
            text(dimensions=["event_type"], fill={"zero": [{"event_type": {"a": 1}}]}),
            "fill 'event_type' can never be {'a': 1}",
        ),
        (
            text(dimensions=["event_details.currency"], fill={"zero": [{"currency": "XXX"}]}),
            "fill 'event_details.currency' can never be 'XXX': it is one of",
        ),
        (
            text(dimensions=["event_details.success"], fill={"zero": [{"success": "yes"}]}),
            "it is boolean",
        ),
        (
            text(dimensions=["event_details.country"], fill={"zero": [{"country": ["DE", "FR"]}]}),
            "give one value",
        ),
        (
            text(dimensions=["event_timestamp"], fill={"zero": [{"event_timestamp": "x"}]}),
            "give one value of a dimension that is one of string, long",
        ),
        (
            text(dimensions=["event_details.country"], fill={"zero": [{"country": "DE"}] * 2}),
            "twice; name it once",
        ),
        (text(source="rejects", dimensions=["reasn"]), "did you mean 'reason'?"),
        (text(source="rejects", dimensions=["event_type"]), "'event_type' is in no contract"),
        (text(source="rejects", where={"event_type": "login"}), "where 'event_type' is in no"),
        (text(source="rejects", where={"reason": "bad_luck"}), "can never be 'bad_luck'"),
        (text(source="rejects", measures=[measure("max", field="age_ms")]), "field 'age_ms'"),
    ],
)
def test_a_wrong_file_is_refused_with_file_entry_and_remedy(given, told):
    assert told in refusal(given)


def test_a_character_that_json_escapes_in_two_halves_is_one():
    assert parsed(doc="Sold \U0001f600").doc == "Sold \U0001f600"


def test_a_file_of_many_keys_is_refused_in_no_time():
    started = time.monotonic()
    assert "unknown field" in refusal(text(**{f"k{n}": 1 for n in range(5_000)}))
    assert time.monotonic() - started < 10


def test_a_country_that_yaml_reads_as_no_is_refused_with_the_remedy():
    country = "dimensions: [event_details.country]\nfill: {zero: [{country: NO}]}"
    assert "quote it" in refusal(f"name: a\ndoc: b\nwindows: [1m]\n{country}")


def test_dimensions_may_be_every_kind_that_tables_are_grouped_by(things):
    for kind in ("boolean", "int", "long", "string", "date", "decimal", "uuid", "colour"):
        assert parsed(things, dimensions=[f"event_details.{kind}"]).dimensions[0].name == kind
    for kind in ("float", "double", "bytes"):
        assert "not grouped" in refusal(text(dimensions=[f"event_details.{kind}"]), things)


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [("decimal", "1.5", 150), ("boolean", False, False), ("long", 7, 7), ("colour", "red", "red")],
)
def test_filled_keys_are_kept_in_plain_values(things, kind, given, kept):
    found = parsed(things, dimensions=[f"event_details.{kind}"], fill={"zero": [{kind: given}]})
    assert found.fill == ((kept,),)


def test_a_pseudonymised_field_may_be_a_dimension_but_not_compared():
    assert parsed(dimensions=["event_details.billing_email"])
    told = refusal(
        text(dimensions=["event_details.billing_email"], fill={"zero": [{"billing_email": "a"}]})
    )
    assert "is personal" in told


def test_a_dimension_with_different_types_needs_a_restriction(tmp_path):
    write_contract(tmp_path, a_contract(field("x", "long")))
    other = a_contract(field("x", "string"), name="other")
    contracts = load_contracts(write_contract(tmp_path, other, "shop/other.avsc"))
    assert "several types" in refusal(text(dimensions=["event_details.x"]), contracts)
    found = parsed(contracts, dimensions=["event_details.x"], where={"event_type": "other"})
    assert found.dimensions[0].value.kind == "string"


def test_files_of_a_folder_are_read_in_order_of_their_names(tmp_path):
    (tmp_path / "b.yaml").write_text(text())
    (tmp_path / "a.yml").write_text(text(name="other"))
    assert [each.name for each in load_metrics(str(tmp_path), CONTRACTS)] == ["other", "mine"]
    assert [each.name for each in load_metrics(str(tmp_path / "b.yaml"), CONTRACTS)] == ["mine"]


def test_names_of_metrics_that_differ_in_case_only_are_refused(tmp_path):
    (tmp_path / "a.yaml").write_text(text())
    (tmp_path / "b.yaml").write_text(text(name="Mine"))
    with pytest.raises(MetricError, match=r"b\.yaml: metric 'Mine' is in the way of 'mine' in a"):
        load_metrics(str(tmp_path), CONTRACTS)


def test_a_folder_without_metric_files_is_refused(tmp_path):
    with pytest.raises(MetricError, match="no metric file"):
        load_metrics(str(tmp_path), CONTRACTS)
