"""The parts of pages that are made of the pipelines are those that the pipelines have now."""

import re

import pytest

from local import docs_pipelines
from local.docs_alerts import ALERTS, LIVE, alert_index, alerts_of
from local.docs_launches import LAUNCHES
from local.docs_pipelines import ALERT_PAGE, PAGES, DocsError, pictures, pipeline_pages
from local.write_templates import jobs
from pipelines.option_words import declared_options
from tests.docs.pages import DOCS, ROOT

GLANCE = ("comes in", "goes out", "promises", "bounds")


def test_options_and_counters_in_the_pages_are_those_of_the_pipelines():
    """Where this fails: `make docs`."""
    assert [path.name for path, text in pipeline_pages().items() if path.read_text() != text] == []


def test_every_pipeline_is_told_in_full_on_one_page_with_each_option_and_counter():
    parts = [part for page in PAGES.values() for part in page]
    assert sorted(parts) == sorted({*jobs(), *LAUNCHES})
    for name, job in jobs().items():
        page = next(page for page, parts in PAGES.items() if name in parts)
        text = (DOCS / page).read_text()
        wanted = [f"| `--{each.name}` |" for each in declared_options(job.options)]
        wanted += [f"`{counter}`" for counter in job.counters]
        assert [each for each in wanted if each not in text] == [], name


def test_every_page_of_a_pipeline_says_what_comes_in_and_goes_out_and_what_it_promises():
    for name, parts in PAGES.items():
        text = (DOCS / name).read_text()
        rows = [re.search(rf"^\| {each} \| \w", text, re.MULTILINE) for each in GLANCE]
        assert all(rows) or not set(parts) & set(jobs()), name


def test_every_pipeline_has_alerts_and_those_that_run_for_years_have_the_usual_ones():
    for name in jobs():
        assert len(list(alerts_of(name))) > 3, name
    assert {name for each in ALERTS for name in each.pipelines} == set(jobs())
    assert {name for name, job in jobs().items() if streams(job)} == set(LIVE)


def streams(job):
    return any(each.name == "input_subscription" for each in declared_options(job.options))


def test_every_counter_that_is_alerted_on_is_one_that_the_code_counts():
    code = "".join(
        path.read_text()
        for room in ("schemas", "transforms", "pipelines")
        for path in (ROOT / room).glob("*.py")
    )
    counters = {word for each in ALERTS for word in re.findall(r"`([a-z_]+)`", each.signal)}
    assert counters
    for word in counters:
        assert re.search(rf'\b{word}\b|"{word.removesuffix("_refused")}"', code), word


def test_links_of_alerts_are_turned_for_the_page_among_the_runbooks():
    text = "\n".join(alert_index())
    assert "](backlog.md)" in text
    assert "](../tables.md)" in text
    assert "runbooks/" not in text


def test_a_page_without_markers_is_named(tmp_path, monkeypatch):
    (tmp_path / "runbooks").mkdir()
    for name in (*PAGES, ALERT_PAGE):
        (tmp_path / name).write_text("# A page\n")
    monkeypatch.setattr(docs_pipelines, "_DOCS", tmp_path)
    with pytest.raises(
        DocsError, match=r"docs/hot_path.md: write the lines <!-- hot_path: written"
    ):
        pipeline_pages()


@pytest.mark.engine
def test_the_pictures_are_those_of_the_pipelines():
    """Where this fails: `make docs`."""
    drawn = pictures()
    assert [path.name for path, svg in drawn.items() if path.read_text() != svg] == []
    assert set((DOCS / "pictures").glob("*.svg")) == set(drawn)


def test_the_overview_names_steps_that_the_hot_path_has():
    """It is drawn by hand; the picture that it is held to is drawn from the pipeline."""
    titles = re.findall(r'font-weight="bold">([^<]*)<', (DOCS / "hot_path.svg").read_text())
    drawn = re.findall(r"<text[^>]*>([^<]*)<", (DOCS / "pictures" / "hot_path.svg").read_text())
    steps = {title.title().replace(" ", "") for title in titles} - {"Pub/Sub", "Bigtable"}
    assert steps - set(drawn) == {"LateOutput"}
    assert len(steps) == 7
