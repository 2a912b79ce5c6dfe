"""What `unknown_fields` of a row say of a field that its contract knows by now."""

from collections.abc import Collection
from typing import NamedTuple

from schemas.shapes import is_name
from schemas.unknown_fields import MASK

__all__ = ["Unfilled", "hidden_by", "may_be_masked"]


class Unfilled(NamedTuple):
    """A path whose value a row lacks.

    `masked`: one of its names is such as `unknown_fields` do not show, so whether the drift has it
    cannot be told.
    """

    path: str
    masked: bool


def hidden_by(path: str, unknown: Collection[str]) -> bool | None:
    """Return whether a path is unknown: False, by its name; True, perhaps, masked; None, it is not.

    >>> [hidden_by(path, ["d.<name 1>", "d.x"]) for path in ("d.x.y", "d.id12345", "d.y")]
    [False, True, None]
    """
    names = path.split(".")
    parts = [(".".join(names[: n + 1]), name) for n, name in enumerate(names)]
    if any(part in unknown for part, _ in parts):
        return False
    return any(may_be_masked(part, name, unknown) for part, name in parts) or None


def may_be_masked(path: str, name: str, unknown: Collection[str]) -> bool:
    """Return whether a field is one whose name would be masked, and something masked is beside it.

    It is not where the field was known, and something in it was not.

    >>> may_be_masked("d.id12345", "id12345", ["d.<name 1>", "d.id12345.more"])
    False
    """
    if is_name(name):
        return False
    inside, mask = (f"{path}.", f"{path}[]"), path.removesuffix(name) + MASK
    return any(each.startswith(mask) for each in unknown) and not any(
        each.startswith(inside) for each in unknown
    )
