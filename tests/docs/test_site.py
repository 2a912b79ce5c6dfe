"""The site: each page is in it once, every link leads somewhere, nothing comes from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from local.docs_hook import POLICY, on_post_page, without_links_out
from tests.docs.pages import DOCS, NAMES, PAGES, ROOT, anchors, links

_LOADS = re.compile(
    r"""<(?!a\s)[^>]*?\s(?:src|href|srcset|action|data)=["']?((?:\w+:)?//[^"'>\s]+)"""
)
_UNMADE = re.compile(r"^\s*(?:[-*] |\d+\. |\||```)", re.MULTILINE)
"""What is left in a paragraph of a list, table or block that the site did not take for one."""
_STYLE_LOADS = re.compile(r"""(?:url\(|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")


def named(nav):
    """Yield the pages of a navigation, however deep."""
    for entry in nav:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from named(value)


def test_the_navigation_names_each_page_exactly_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    pages = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert sorted(named(site["nav"])) == pages


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_to_a_file_and_a_heading_of_it(name):
    page = ROOT / name
    astray = [target for target in links(page.read_text()) if leads_astray(page, target)]
    assert astray == []


def leads_astray(page: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return False
    path, _, anchor = target.partition("#")
    found = (page.parent / unquote(path)).resolve() if path else page
    if not found.exists() or ROOT not in found.parents:
        return True
    if not anchor or found.suffix != ".md":
        return bool(anchor)
    return any(anchor not in known for known in anchors(found.read_text()))


def test_links_and_headings_are_found_in_every_form_that_pages_use():
    text = (
        "# A `b` c: d\n\n[x](a.md#one)\n![p](p.svg) `[no](code.md)`\n\n"
        "```\n[no](fence.md)\n```\n# A b c d\n"
    )
    assert links(text) == ["a.md#one", "p.svg"]
    assert anchors(text) == ({"a-b-c-d", "a-b-c-d-1"}, {"a-b-c-d", "a-b-c-d_1"})
    assert leads_astray(PAGES[0], "docs/missing.md")
    assert leads_astray(PAGES[0], "docs/hot_path.md#no-such-heading")
    assert not leads_astray(PAGES[0], "docs/hot_path.md#late")


def test_the_hook_keeps_links_of_pages_and_leaves_the_words_of_all_others():
    text = "[p](other.md) [up](../x.md) [code](../../a.py)\n```\n[code](../../a.py)\n```\n"
    plain = "[p](other.md) [up](../x.md) code\n```\n[code](../../a.py)\n```\n"
    assert without_links_out(text, "runbooks/page.md") == plain


def test_a_page_without_a_head_is_never_built():
    with pytest.raises(ValueError, match="no <head>"):
        on_post_page("<html></html>")


@pytest.mark.engine
def test_the_site_is_built_strictly_and_loads_nothing_from_another_host(tmp_path):
    build = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path),
    ]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pages = {path: path.read_text() for path in tmp_path.rglob("*.html")}
    assert len(pages) > len(PAGES) - 2
    assert {
        str(path): found for path, text in pages.items() if (found := _LOADS.findall(text))
    } == {}
    assert all(POLICY in text for text in pages.values())
    assert {str(path): found for path, text in pages.items() if (found := unmade(text))} == {}
    styles = [path.read_text() for path in tmp_path.rglob("*.css")]
    assert styles
    assert [found for text in styles for found in _STYLE_LOADS.findall(text)] == []


def unmade(html):
    paragraphs = re.findall(r"<p>(.*?)</p>", re.sub(r"(?s)<pre.*?</pre>", "", html), re.DOTALL)
    return [text for text in paragraphs if _UNMADE.search(re.sub(r"<[^>]+>", "", text))]
