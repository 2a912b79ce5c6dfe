"""Values of a contract's fields: whatever the contract says is all that is needed."""

import base64
from collections.abc import Callable
from typing import Any, TypeAlias

from local.chance import Chance
from local.clock_text import date_text, time_text
from schemas.field_types import FieldType

__all__ = ["Facts", "Make", "detail_maker", "value_maker"]

Make: TypeAlias = Callable[[Chance], Any]
Facts: TypeAlias = dict[str, Any]
_Fill: TypeAlias = Callable[[Facts, Chance, Facts, Facts], None]

_NULL_RATE = 0.08
_ABSENT_RATE = 0.04
_YEAR = 365 * 86_400 * 1_000_000
_SAMPLED_FROM = 1_700_000_000_000_000

_OF_A_USER = frozenset(
    {
        "country",
        "city",
        "region",
        "locale",
        "language",
        "currency",
        "email",
        "name",
        "full_name",
        "display_name",
        "phone",
        "plan",
        "platform",
        "os",
        "timezone",
        "referrer",
        "ip_address",
        "device_id",
    }
)
"""Fields that stay the same for a user until something says otherwise."""

_OF_A_THREAD = frozenset(
    {
        "amount_minor",
        "order_id",
        "purchase_id",
        "payment_id",
        "product_id",
        "sku",
        "course_id",
        "lesson_id",
        "quiz_id",
        "query",
        "search_id",
        "page",
        "url",
        "path",
    }
)
"""Fields that stay the same within one errand: a lesson and its quiz."""


_ONE_EACH = frozenset({"device_id", "order_id", "purchase_id", "payment_id", "refund_id"})
"""Identifiers that are made anew for every user, errand or event, whatever the examples are."""


def detail_maker(
    fields: dict[str, FieldType],
) -> Callable[[Chance, Facts, Facts], dict[str, Any]]:
    """Return a function (chance, the user's facts, the errand's facts) -> `event_details`.

    Facts are filled as they are needed and read again by the next event of the same scope.
    """
    makers = [_field_maker(name, kind) for name, kind in fields.items()]

    def details(chance: Chance, user: Facts, thread: Facts) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for make in makers:
            make(made, chance, user, thread)
        return made

    return details


def value_maker(field: FieldType) -> Make:
    """Return a function that draws a value of this field, never null, in its JSON form."""
    if field.examples:
        examples = field.examples
        return lambda chance: chance.of(examples)
    if field.kind in ("int", "long"):
        low, high = _bounds(field, 0, 1_000)
        return lambda chance: chance.between(int(low), int(high))
    if field.kind in ("float", "double"):
        return _double_maker(*_bounds(field, 0, 100))
    if field.kind == "decimal":
        return _decimal_maker(field)
    if field.kind in ("enum", "array", "map", "record"):
        return _compound_maker(field)
    return _SIMPLE[field.kind]


def _field_maker(name: str, field: FieldType) -> _Fill:
    make = _identifier if name in _ONE_EACH and field.kind == "string" else value_maker(field)
    if name in _OF_A_USER or name in _OF_A_THREAD:
        return _sticky_maker(name, field, make)
    null_rate = _NULL_RATE if field.nullable else 0.0
    left_out = null_rate + (0.0 if field.required else _ABSENT_RATE)

    def fill(made: Facts, chance: Chance, _user: Facts, _thread: Facts) -> None:
        drawn = chance.random()
        if drawn >= left_out:
            made[name] = make(chance)
        elif drawn < null_rate:
            made[name] = None

    return fill


def _sticky_maker(name: str, field: FieldType, make: Make) -> _Fill:
    # two contracts may give one name two types: each keeps its own fact
    fact = f"{name}:{field.kind}:{field.symbols}"
    of_user = name in _OF_A_USER

    def sticky(made: Facts, chance: Chance, user: Facts, thread: Facts) -> None:
        facts = user if of_user else thread
        value = facts.get(fact)
        if value is None:
            value = facts[fact] = make(chance)
        made[name] = value

    return sticky


def _compound_maker(field: FieldType) -> Make:
    if field.kind == "enum":
        symbols = field.symbols
        return lambda chance: chance.of(symbols)
    if field.kind == "record":
        parts = detail_maker(field.fields)
        return lambda chance: parts(chance, {}, {})
    assert field.items is not None
    item = value_maker(field.items)
    if field.kind == "array":
        return lambda chance: [item(chance) for _ in range(chance.below(4))]
    return lambda chance: {f"k{key}": item(chance) for key in range(chance.below(3))}


def _bounds(field: FieldType, low: float, high: float) -> tuple[float, float]:
    least = low if field.minimum is None else field.minimum
    most = field.maximum if field.maximum is not None else max(high, least + high)
    return least, most


def _double_maker(low: float, high: float) -> Make:
    # hundredths of the range: short texts that every JSON library reads alike
    return lambda chance: low + (high - low) * (chance.below(1_025) / 1_024)


def _decimal_maker(field: FieldType) -> Make:
    scale = field.scale
    low, high = _bounds(field, 0, 10 ** (min(field.precision, 6) - scale))
    least, most = int(low * 10**scale), int(high * 10**scale)
    return lambda chance: _decimal_text(
        chance.between(least, most - (field.maximum is None)), scale
    )


def _decimal_text(units: int, scale: int) -> str:
    whole, part = divmod(abs(units), 10**scale)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{part:0{scale}d}" if scale else f"{sign}{whole}"


def _uuid_text(chance: Chance) -> str:
    digits = chance.hex(32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _identifier(chance: Chance) -> str:
    return f"i-{chance.hex(10)}"


def _text(chance: Chance) -> str:
    return chance.of(_WORDS) + " " + chance.hex(4)


_WORDS = ("amber", "birch", "café", "delta", "ember", "fjord", "glass", "harbour", "日本", "river")

_SIMPLE: dict[str, Make] = {
    "boolean": lambda chance: chance.random() < 0.5,
    "string": _text,
    "bytes": lambda chance: base64.b64encode(chance.hex(6).encode()).decode(),
    "uuid": _uuid_text,
    "date": lambda chance: date_text(_SAMPLED_FROM + chance.below(_YEAR)),
    "timestamp-millis": lambda chance: time_text(
        _SAMPLED_FROM + chance.below(_YEAR) // 1_000 * 1_000
    ),
    "timestamp-micros": lambda chance: time_text(_SAMPLED_FROM + chance.below(_YEAR)),
}
