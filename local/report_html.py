"""Makes HTML in which nothing is markup that was not meant to be: texts are escaped, always."""

import html
import json
from typing import Any

__all__ = ["Html", "join", "script_json", "table", "tag"]

_VOID = frozenset({"br", "meta"})
# What could end the element, or begin a comment in it.
_ESCAPED = {ord(each): f"\\u{ord(each):04x}" for each in "<>&"}


class Html(str):
    """A piece of markup; any other text is escaped where it becomes part of one."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element; of the attributes `class_` is `class`, and `_` in a name is `-`.

    >>> tag("p", "a < b", tag("br"), class_="x")
    '<p class="x">a &lt; b<br></p>'
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_visible(str(value)))}"'
        for key, value in attributes.items()
    )
    opened = f"<{name}{told}>"
    return Html(opened if name in _VOID else f"{opened}{join(*children)}</{name}>")


def join(*children: object) -> Html:
    """Return pieces of markup and texts one after another, texts escaped.

    >>> join("</script>", tag("b", 1))
    '&lt;/script&gt;<b>1</b>'
    """
    return Html(
        "".join(
            child if isinstance(child, Html) else html.escape(_visible(str(child)))
            for child in children
        )
    )


def table(heads: list[str], rows: list[list[object]], numbers: int = 1) -> Html:
    """Return a table in a box that scrolls by itself; columns from `numbers` on are numbers."""
    head = tag("tr", *(tag("th", each, **_right(n, numbers)) for n, each in enumerate(heads)))
    body = [
        tag("tr", *(tag("td", each, **_right(n, numbers)) for n, each in enumerate(row)))
        for row in rows
    ]
    whole = tag("table", tag("thead", head), tag("tbody", *body))
    return tag("div", whole, class_="scroll", tabindex=0)


def script_json(value: Any) -> Html:
    r"""Return JSON that can stand in a script element, whatever texts it holds.

    >>> print(script_json({"a": "</script>"}))
    {"a":"\u003c/script\u003e"}
    """
    return Html(json.dumps(value, separators=(",", ":")).translate(_ESCAPED))


def _right(column: int, numbers: int) -> dict[str, object]:
    return {"class_": "number"} if column >= numbers else {}


def _visible(text: str) -> str:
    """Return a text without the characters that HTML may not have; a surrogate is one."""
    return "".join(each if _is_legal(each) else "\ufffd" for each in text)


def _is_legal(character: str) -> bool:
    return character.isprintable() or character in "\n\t "
