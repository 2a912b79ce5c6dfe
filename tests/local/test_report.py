"""The report: every figure of the run is in it, nothing else is, and it loads nothing."""

import importlib.util
import re

import pytest

from local import report_page as report
from local.demo_checks import Check
from local.demo_report import Archived
from local.demo_user import UserRow
from local.demo_windows import Second
from local.errors import ServiceError
from local.report_charts import SCRIPT_MISSING, chart_script
from local.report_facts import Refusal
from local.report_page import check_writable, report_page, write_report
from tests.local.report_builders import HOSTILE, Page, any_facts, any_job

LOADING = {"link", "iframe", "object", "embed", "img", "audio", "video", "source", "base", "form"}


@pytest.fixture
def page(monkeypatch):
    """Give a function that parses the page of some facts; the charting library is left out."""
    monkeypatch.setattr(report, "chart_script", lambda: "/* charts */")
    return lambda facts: Page(report_page(facts))


@pytest.mark.engine
def test_the_page_is_whole_needs_no_network_and_is_not_too_large_for_a_phone():
    text = report_page(any_facts())
    assert len(text.encode()) < 5_000_000
    found = Page(text)
    assert found.is_closed
    assert not {tag for tag, _ in found.elements} & LOADING
    attributes = {name for _, each in found.elements for name in each}
    assert not attributes & {"src", "href", "srcset", "action", "style", "onclick", "onerror"}
    assert not re.search(r"url\(|@import", "".join(found.styles))
    assert not re.search(r"""\b(?:src|href)\s*=\s*["']?\s*(?:https?:)?//|\bimport\s*\(""", text)
    policy = next(each["content"] for _, each in found.elements if "http-equiv" in each)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    assert found.title == "Penstock demo: all 2 checks hold"


def test_it_knows_light_dark_and_narrow_screens(page):
    found = page(any_facts())
    style = "".join(found.styles)
    assert "prefers-color-scheme:dark" in style
    assert "data-theme=dark" in style
    assert "max-width:700px" in style
    viewports = [each for _, each in found.elements if each.get("name") == "viewport"]
    assert viewports[0]["content"].startswith("width=device-width")
    assert ("button", "theme") in {(tag, each.get("id")) for tag, each in found.elements}


def test_every_figure_of_the_run_is_shown(page):
    text = page(any_facts()).text
    for figure in (
        "4,000 messages, with copies",
        "into Bigtable, the local BigQuery and an archive. Then",
        "100 acknowledgements of the hot path were lost",
        "killed after 2,001 messages: 1,858 were acknowledged",
        "461 rows were there",
        "14 objects",
        "4,000 published, 4,000 different messages kept",
        "✓ 4,000 read = 3,888 accepted + 36 rejected + 71 duplicate + 5 conflict + 0 late"
        " 3,924 rows = 3,920 written + 4 refused",
        "✗ does not add up: 4,001 read",
        "300 on time 20 late 7 too late",
        "1970-01-01 00:00 100 20 3 123",
        "1970-01-01 00:01 200 0 4 204",
        "00:00:59 100 20 3 123",
        "purchases: revenue_minor EUR 783,375 859,860 +76,485",
        "8 messages were broken on purpose",
        "since published 0.48 42.83 44.90 58.41",
        "country BR",
        "events 1,756 2,756 -",
        "1 checks passed 1 warnings 0 errors",
        "4000 = 3888 + 112",
        "warning user_known silver_billing.purchase 0.9221 at most 0.05",
        "It took 99 s",
        "seed 7",
        "Apache Beam 2.77.0",
        "--events 4000 --seed 7",
    ):
        assert figure in text


def test_the_charts_have_the_figures_of_the_run(page):
    charts = page(any_facts()).charts
    told = charts["chart-timing"]["data"]["values"]
    assert [(each["how"], each["events"]) for each in told[:3]] == [
        ("on time", 100),
        ("late", 20),
        ("too late", 3),
    ]
    assert sum(each["events"] for each in told) == 327
    corrected = charts["chart-correction"]["data"]["values"]
    assert [each["events"] for each in corrected] == [120, 123, 200, 204, 0, 0]
    refused = charts["chart-refusals"]["data"]["values"]
    assert [tuple(each.values()) for each in refused] == [("id_conflict", 5), ("not_json", 3)]
    assert [each["values"] for each in charts["chart-ages"]["data"]["values"]] == list(range(9))
    drawn = {each.get("id") for tag, each in page(any_facts()).elements if tag == "div"}
    assert set(charts) <= drawn


def test_seconds_without_events_are_drawn_as_such_before_and_after(page):
    seconds = [Second(start * 1_000_000, 5, 0, 0, 5, 5) for start in (58, 60)]
    corrected = page(any_facts(seconds_told=seconds)).charts["chart-correction"]["data"]["values"]
    assert [each["events"] for each in corrected if each["how"] == "after"] == [5, 0, 5, 0]
    assert [each["at"][17:19] for each in corrected[::2]] == ["58", "59", "00", "01"]


def test_a_check_that_failed_is_what_the_page_says_first(page):
    problems = [f"row {number} is missing" for number in range(30)]
    facts = any_facts(checks=[Check("Rows are right", "853 rows", problems)])
    found = page(facts)
    assert found.title == "Penstock demo: 1 of 1 checks failed"
    assert "row 19 is missing and 10 more" in found.text
    assert "checks hold" not in found.text


@pytest.mark.parametrize(
    "hostile",
    [
        {
            "user": UserRow(
                HOSTILE, 0, {HOSTILE: HOSTILE, "tile": dict.fromkeys(("1h", "24h", "30d"))}
            )
        },
        {"refusals": [Refusal(HOSTILE, 5, HOSTILE)]},
        {"checks": [Check(HOSTILE, HOSTILE, [HOSTILE])]},
        {"versions": {HOSTILE: HOSTILE}},
        {
            "audited": [
                {
                    **{"check": HOSTILE, "table": HOSTILE, "severity": HOSTILE, "bound": HOSTILE},
                    **{"passed": False, "detail": HOSTILE},
                }
            ]
        },
    ],
    ids=lambda each: next(iter(each)),
)
def test_values_that_look_like_markup_stay_text(page, hostile):
    harmless, found = page(any_facts()), page(any_facts(**hostile))
    assert "alert(1)" in found.text + str(found.charts)
    assert found.scripts.keys() == harmless.scripts.keys()
    assert "img" not in {tag for tag, _ in found.elements}
    assert found.is_closed
    report_page(any_facts(**hostile)).encode()


def test_what_did_not_run_is_not_told_as_zero(page):
    nothing = {
        **{"jobs": [], "seconds_told": [], "sums": [], "refusals": [], "audited": []},
        **{"killed": None, "archived": None, "happened": None, "published": None, "lost": 0},
    }
    found = page(any_facts(**nothing))
    assert found.charts == {}
    assert "There was no Prism in this run, so the metrics of windows did not run." in found.text
    assert "killed" not in found.text
    assert "0 on time" not in found.text
    assert "No message was refused" not in found.text
    assert "no counters" in found.text
    nothing["rows_in"] = ""
    assert "on purpose, went through Pub/Sub into Bigtable. Then" in page(any_facts(**nothing)).text


def test_an_archive_that_lacks_messages_is_marked(page):
    found = page(any_facts(archived=Archived(3_999, 14)))
    assert "✗ does not add up: 4,000 published, 3,999 different messages kept" in found.text


def test_a_job_is_conserved_if_both_sums_are():
    assert any_job().is_conserved
    assert not any_job(read=3_999).is_conserved
    assert not any_job(refused=5).is_conserved


def test_the_charting_library_cannot_end_its_element():
    script = chart_script()
    assert "vegaEmbed" in script
    assert "</script" not in script.lower()


def test_without_the_charting_library_there_are_tables(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    found = Page(report_page(any_facts()))
    assert SCRIPT_MISSING in found.text
    assert "00:00:59 100 20 3 123" in found.text


def test_it_is_known_before_the_demo_that_its_report_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(ServiceError, match="is a folder; name a file in it"):
        check_writable(tmp_path)
    check_writable(tmp_path / "new" / "report.html")
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(report, "chart_script", lambda: "")
    write_report(any_facts(), tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text().startswith("<!doctype html>")


def test_a_link_to_nowhere_is_told_before_the_demo_and_an_older_report_stays(tmp_path):
    link, older = tmp_path / "link.html", tmp_path / "older.html"
    link.symlink_to(tmp_path / "missing" / "report.html")
    with pytest.raises(ServiceError, match="No such file or directory"):
        check_writable(link)
    older.write_text("older")
    check_writable(older)
    assert older.read_text() == "older"
