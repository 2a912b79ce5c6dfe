"""What an entry of a quality file holds, and those of its values that need no table."""

import math
from typing import Literal

import msgspec

from schemas.declaration_error import DeclarationError
from schemas.durations import parse_duration
from schemas.quality import Bound
from schemas.times import SECOND

__all__ = ["CheckForm", "bounds_of"]

_NEEDS = {
    "freshness": ("at_most",),
    "volume": ("between", "trailing"),
    "duplicates": ("column",),
    "null_rate": ("column", "at_most"),
    "range": ("column", "between"),
    "references": ("column", "to"),
}
_TAKES = {
    "freshness": ("column",),
    "duplicates": ("at_most",),
    "range": ("at_most",),
    "references": ("at_most",),
}
_OPTIONS = ("column", "at_most", "between", "trailing", "to")
_MOST_TRAILING = 366


class CheckForm(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of `checks`."""

    name: str
    check: Literal["freshness", "volume", "duplicates", "null_rate", "range", "references"]
    column: str | None = None
    at_most: str | int | float | None = None
    between: list[int | float | None] | None = None
    trailing: int | None = None
    to: str | None = None
    severity: Literal["error", "warn"] | None = None


def bounds_of(form: CheckForm) -> tuple[Bound, Bound]:
    """Return what the value of a check may be, and what the values of its column may be.

    >>> bounds_of(CheckForm("n", "volume", between=[0.5, None], trailing=7))[0]
    Bound(least=0.5, most=inf)

    Raises:
        DeclarationError: a key is missing, or is none of this check.
    """
    _check_keys(form)
    anything = Bound()
    if form.check == "freshness":
        return Bound(most=_seconds(form.at_most)), anything
    if form.check == "volume":
        return _between(form), anything
    share = Bound(most=_share(form.at_most))
    return share, _between(form) if form.check == "range" else anything


def _check_keys(form: CheckForm) -> None:
    needed = _NEEDS[form.check]
    for option in _OPTIONS:
        is_given = getattr(form, option) is not None
        if option in needed and not is_given:
            msg = f"{form.check} needs `{option}`; docs/audit.md says what it is"
            raise DeclarationError(msg)
        if is_given and option not in (*needed, *_TAKES.get(form.check, ())):
            msg = f"`{option}` does nothing for {form.check}; remove it"
            raise DeclarationError(msg)
    if form.trailing is not None and not 1 <= form.trailing <= _MOST_TRAILING:
        msg = f"trailing {form.trailing}: give 1 to {_MOST_TRAILING} spans"
        raise DeclarationError(msg)


def _seconds(given: str | int | float | None) -> float:
    return parse_duration(str(given)) / SECOND


def _share(given: str | int | float | None) -> float:
    share = 0 if given is None else given
    if isinstance(share, str) or not 0 <= share <= 1:
        msg = f"at_most {given}: give a share from 0 to 1"
        raise DeclarationError(msg)
    return float(share)


def _between(form: CheckForm) -> Bound:
    given = form.between or []
    if len(given) == 2:
        least, most = given
        bound = Bound(_number(least, -math.inf), _number(most, math.inf))
        if bound.least <= bound.most and bound != Bound():
            return bound
    msg = f"between {given}: give [least, most]; null is no bound on that side"
    raise DeclarationError(msg)


def _number(given: int | float | None, unbounded: float) -> float:
    if given is None:
        return unbounded
    try:
        return float(given)
    except OverflowError:
        msg = "between has a number of more than 308 digits; null is no bound on that side"
        raise DeclarationError(msg) from None
