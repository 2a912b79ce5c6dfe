"""Builders for the tests of metrics: events, a metric that has everything, and an oracle.

The oracle is written from the words of docs/metrics.md and shares no code with what it judges: it
looks at JSON objects, one window at a time.
"""

import datetime
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec

from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.events import MIN_MICROS
from schemas.measures import measured
from schemas.metric_set import Metric, parse_metric
from schemas.packs import EventPack, RawPack
from schemas.sketches import sketch_of
from schemas.window_parts import WindowPart

MINUTE = 60_000_000
BASE = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
CONTRACTS = load_contracts()
DECODER = Decoder(CONTRACTS)

WIDE_TEXT = """
name: wide
doc: One measure of each kind.
windows: [1m, 5m]
where: {event_type: [page_view, quiz_submitted, click]}
dimensions: {kind: event_type, platform: event_details.platform, course: event_details.course_id}
measures:
  - {name: all, measure: count}
  - {name: timed, measure: count, field: event_details.duration_ms}
  - {name: home, measure: count, where: {event_details.page: /}}
  - {name: total, measure: sum, field: event_details.duration_ms}
  - {name: least, measure: min, field: event_details.duration_ms}
  - {name: most, measure: max, field: event_details.page}
  - {name: users, measure: approx_distinct, field: user_id}
  - {name: points, measure: sum, field: event_details.score}
  - {name: oldest, measure: max, field: age_ms}
  - {name: mean, measure: ratio, of: [total, timed]}
  - {name: points_per_user, measure: ratio, of: [points, users]}
"""
PLAIN_TEXT = """
name: plain
doc: How many there are, by user.
windows: [90s, 2m]
where: {event_type: [page_view, click], event_details.platform: [web, ios]}
dimensions: [user_id]
allowed_lateness: 10m
"""
WIDE = parse_metric(WIDE_TEXT, "wide.yaml", CONTRACTS)
PLAIN = parse_metric(PLAIN_TEXT, "plain.yaml", CONTRACTS)
METRICS = [WIDE, PLAIN]


class Seen(NamedTuple):
    """One event, in the terms of the oracle."""

    event_id: str
    kind: str
    time: int
    user: str = "ana"
    platform: str = "web"
    page: str = "/"
    duration: int | None = None
    score: str = "1.50"
    published: int | None = None

    def line(self) -> dict[str, Any]:
        moment = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
        moment += datetime.timedelta(microseconds=self.time)
        return {
            "event_id": self.event_id,
            "event_type": self.kind,
            "user_id": self.user,
            "event_timestamp": moment.isoformat(),
            "event_details": self._details(),
        }

    def _details(self) -> dict[str, Any]:
        if self.kind == "quiz_submitted":
            quiz = "5b0b9c0e-64a5-4b1c-8a5e-1c1f7f0f3f11"
            fixed = {"quiz_id": quiz, "attempt": 1, "passed": True, "answers": []}
            return {**fixed, "course_id": self.page, "score": self.score}
        if self.kind == "click":
            return {"page": self.page, "element": "menu", "platform": self.platform}
        if self.kind == "login":
            return {"method": "sso", "success": True, "platform": self.platform}
        return {"page": self.page, "platform": self.platform, "duration_ms": self.duration}


def pack_of(seen: Sequence[Seen], watermark: int = MIN_MICROS) -> EventPack:
    digests = [hashlib.blake2b(one.event_id.encode(), digest_size=16).digest() for one in seen]
    raw = RawPack(
        [json.dumps(one.line()).encode() for one in seen], [one.published for one in seen]
    )
    return EventPack(digests, digests, [one.time for one in seen], raw, watermark)


Told = dict[tuple[str, int, int, tuple[Any, ...]], tuple[int, dict[str, Any]]]
"""By metric, length and start of a window, and key: how many events, and the measures' values."""


def told(parts: Iterable[WindowPart], metrics: Iterable[Metric] = METRICS) -> Told:
    """What parts say, each window and key once."""
    by_slot = {metric.slot: metric for metric in metrics}
    found: Told = {}
    for part in parts:
        metric = by_slot[part.metric]
        place = (metric.name, part.length, part.start, tuple(msgspec.msgpack.decode(part.key)))
        assert place not in found
        values = measured(metric, part.entries)
        flat: dict[str, Any] = {name: one.value for name, one in values.items()}
        flat |= {f"{name}_theta": one.theta for name, one in values.items() if one.theta}
        found[place] = (part.events, flat)
    return found


def expected(seen: Iterable[Seen]) -> Told:
    """The oracle: what must be told when each of these events counts once in all its windows."""
    unique = [*{one.event_id: one for one in seen}.values()]
    wide = [one for one in unique if one.kind in ("page_view", "quiz_submitted", "click")]
    plain = [
        one
        for one in unique
        if one.kind in ("page_view", "click") and one.platform in ("web", "ios")
    ]
    found: Told = {}
    for length in (MINUTE, 5 * MINUTE):
        for (start, key), group in _grouped(wide, length, _wide_key).items():
            found["wide", length, start, key] = (len(group), _wide_values(group))
    for length in (90_000_000, 120_000_000):
        for (start, key), group in _grouped(plain, length, lambda one: (one.user,)).items():
            found["plain", length, start, key] = (len(group), {})
    return found


def _wide_key(one: Seen) -> tuple[Any, ...]:
    if one.kind == "quiz_submitted":
        return (one.kind, None, one.page)
    return (one.kind, one.platform, None)


def _grouped(seen: Iterable[Seen], length: int, key: Any) -> Mapping[Any, list[Seen]]:
    groups: dict[Any, list[Seen]] = {}
    for one in seen:
        groups.setdefault((one.time // length * length, key(one)), []).append(one)
    return groups


def _wide_values(group: list[Seen]) -> dict[str, Any]:
    views = [one for one in group if one.kind == "page_view"]
    paged = [one for one in group if one.kind in ("page_view", "click")]
    times = [one.duration for one in views if one.duration is not None]
    quizzes = [one for one in group if one.kind == "quiz_submitted"]
    points = sum(int(Decimal(one.score) * 100) for one in quizzes)
    users = {one.user for one in group}
    ages = [
        math.floor(Fraction(one.published - one.time, 1_000))
        for one in group
        if one.published is not None
    ]
    return {
        "all": len(group),
        "timed": len(times),
        "home": sum(one.page == "/" for one in paged),
        "total": min(sum(times), 2**63 - 1),
        "least": min(times, default=None),
        "most": max((one.page for one in paged), default=None),
        "users": len(users),
        "users_theta": sketch_of(users),
        "points": points,
        "oldest": max(ages, default=None),
        "mean": sum(times) / len(times) if times else None,
        "points_per_user": float(Fraction(points, 100) / len(users)),
    }
