"""The README says what there is: pipelines, proofs and figures."""

import json
import re

import pytest

from local import docs_readme
from local.docs_pipelines import PAGES
from local.docs_readme import benchmark_lines, readme
from local.write_templates import jobs, metadata_of
from tests.docs.pages import ROOT, links

README = (ROOT / "README.md").read_text()
RESULTS = ROOT / "benchmarks" / "results"
_PROOF = re.compile(r"tests/[\w/]+\.py")


def section(title):
    return README.partition(f"## {title}\n")[2].partition("\n## ")[0]


def rows(title):
    """Return the cells of the table of a section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_promise_links_to_a_test_that_is_one():
    promises = rows("What it promises, and how that is proven")
    assert len(promises) >= 5
    for promise, proof in promises:
        proofs = [target for target in links(proof) if _PROOF.fullmatch(target)]
        assert proofs, promise
        for target in proofs:
            assert re.search(r"^def test_", (ROOT / target).read_text(), re.MULTILINE), target


def test_the_table_of_pipelines_names_each_with_its_page_and_how_it_runs():
    told = {}
    for name, runs, *_ in rows("The pipelines"):
        [word], [page] = re.findall(r"`(\w+)`", name), links(name)
        file = page.removeprefix("docs/").partition("#")[0]
        assert word in PAGES[file], name
        told[word] = runs
    streams = {True: "stream, batch", False: "batch"}
    assert told == {name: streams[metadata_of(job)["streaming"]] for name, job in jobs().items()}
    templates = {path.parent.name for path in (ROOT / "templates").glob("*/metadata.json")}
    assert set(told) == templates


def test_the_table_of_benchmarks_is_made_of_the_recorded_results():
    """Where this fails: `make docs`."""
    assert readme() == {ROOT / "README.md": README}
    recorded = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    compared = {each["title"] for each in recorded if "contenders" in each}
    told = {line.split(" | ")[0].removeprefix("| ") for line in benchmark_lines()}
    assert compared <= told


def test_a_readme_without_a_place_for_the_benchmarks_is_named(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("# A suite\n")
    monkeypatch.setattr(docs_readme, "_ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"README.md: write the lines <!-- benchmarks"):
        readme()
