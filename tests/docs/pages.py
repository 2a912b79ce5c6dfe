"""The pages of docs/ and the README, taken apart: prose, code, links, headings."""

import re
import unicodedata
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCED = re.compile(r"^( *)(```|~~~)[^\n]*\n(.*?)^\1\2\s*$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^\n|\A)((?:(?: {4}|\t)[^\n]*\n)+)", re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?\s*\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def code_blocks(text: str) -> list[str]:
    """Return what stands between fences, and what is indented as code."""
    fenced = [match[3] for match in _FENCED.finditer(text)]
    return [*fenced, *(match[1] for match in _INDENTED.finditer(_FENCED.sub("", text)))]


def spans(text: str) -> list[str]:
    """Return code inside of sentences, on one line each."""
    prose = _INDENTED.sub("\n", _FENCED.sub("", text))
    return [" ".join(match[1].split()) for match in _SPAN.finditer(prose)]


def links(text: str) -> list[str]:
    """Return the targets of links and pictures."""
    return _LINK.findall(_SPAN.sub("", _FENCED.sub("", text)))


def anchors(text: str) -> tuple[set[str], set[str]]:
    """Return the anchors of headings, as GitHub makes them and as the site does."""
    headings = [_plain(each) for each in _HEADING.findall(_FENCED.sub("", text))]
    return _numbered(headings, _on_github, "-"), _numbered(headings, _on_site, "_")


def _plain(heading: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading)


def _on_github(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _on_site(heading: str) -> str:
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def _numbered(headings, slug, between):
    found: set[str] = set()
    for heading in headings:
        name, number = slug(heading), 0
        while name in found:
            number += 1
            name = f"{slug(heading)}{between}{number}"
        found.add(name)
    return found
