"""What mkdocs does to each page beside its own work.

Links that lead out of docs/ become their words, since the site holds the pages only; and a policy
tells browsers to load nothing from another host, whatever a script of the theme may want.
"""

import re
from typing import Any

__all__ = ["POLICY", "on_page_markdown", "on_post_page", "on_post_template", "without_links_out"]

POLICY = (
    '<meta http-equiv="Content-Security-Policy"'
    " content=\"default-src 'self' 'unsafe-inline' data: blob:\">"
)

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(\s*([^)\s#]+)(#[^)\s]*)?\s*\)")
_FENCE = re.compile(r"(^(?:```|~~~).*?^(?:```|~~~)\s*$)", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Take links to the code out of a page."""
    return without_links_out(markdown, page.file.src_uri)


def on_post_page(output: str, **_: Any) -> str:
    """Put the policy into a page that was made.

    Raises:
        ValueError: there is no place for it.
    """
    before, found, after = output.partition("<head>")
    if not found:
        msg = "a page of the site has no <head>, so it cannot be told to load nothing"
        raise ValueError(msg)
    return f"{before}{found}{POLICY}{after}"


def on_post_template(output: str, *, template_name: str, **_: Any) -> str:
    """Put it into pages that are made of no page of docs/ too, such as that of a missing one."""
    return on_post_page(output) if template_name.endswith(".html") else output


def without_links_out(markdown: str, name: str) -> str:
    """Return a page with the words of links whose files lie outside of docs/.

    >>> without_links_out("[a.py](../a.py), [b](b.md)", "page.md")
    'a.py, [b](b.md)'

    Args:
        markdown: of the page; code blocks stay as they are.
        name: of the page, below docs/.
    """
    depth = name.count("/")
    parts = _FENCE.split(markdown)
    told = [_plain(part, depth) if n % 2 == 0 else part for n, part in enumerate(parts)]
    return "".join(told)


def _plain(text: str, depth: int) -> str:
    def words(link: re.Match[str]) -> str:
        return link[1] if _climbs(link[2]) > depth else link[0]

    return _LINK.sub(words, text)


def _climbs(target: str) -> int:
    return target.split("/").count("..")
