"""The parts of pages that are made of the pipelines are those that the pipelines have now."""

import re

import pytest

from local import docs_pipelines
from local.docs_launches import LAUNCHES
from local.docs_pipelines import PAGES, DocsError, pictures, pipeline_pages
from local.write_templates import jobs
from pipelines.option_words import declared_options
from tests.docs.pages import DOCS


def test_options_and_counters_in_the_pages_are_those_of_the_pipelines():
    """Where this fails: `make docs`."""
    assert [path.name for path, text in pipeline_pages().items() if path.read_text() != text] == []


def test_every_pipeline_is_told_in_full_on_one_page_with_each_option_and_counter():
    parts = [part for page in PAGES.values() for part in page]
    assert sorted(parts) == sorted({*jobs(), *LAUNCHES, "audit"})
    for name, job in jobs().items():
        page = next(page for page, parts in PAGES.items() if name in parts)
        text = (DOCS / page).read_text()
        wanted = [f"| `--{each.name}` |" for each in declared_options(job.options)]
        wanted += [f"`{counter}`" for counter in job.counters]
        assert [each for each in wanted if each not in text] == [], name


def test_a_page_without_markers_is_named(tmp_path, monkeypatch):
    for name in PAGES:
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
