"""Whether the promises held in a case, by what its jobs left and what the oracle says."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from chaos.oracle import Expected
from chaos.outcome import Outcome
from chaos.verdict import Violation

__all__ = ["judge"]

_SHOWN = 3
_HOUR = 3_600_000_000
_HANDED = {
    "mutations": ("written", "refused"),
    "rows": ("rows_written", "rows_refused"),
    "index_rows": ("index_rows_written", "index_rows_refused"),
}
_Found = Mapping[Any, Any]


def judge(outcome: Outcome, expected: Expected) -> tuple[Violation, ...]:
    """Return the promises that did not hold; what is told are places and numbers."""
    if outcome.stopped:
        return (Violation("nothing_stops_a_job", ": ".join(outcome.stopped)),)
    found = [*_conservation(outcome), *_archive(outcome), *_late(outcome, expected)]
    found += [*_quarantine(outcome, expected), *_cells(outcome, expected)]
    return (*found, *_windows(outcome, expected))


def _conservation(outcome: Outcome) -> Iterator[Violation]:
    for job, counts in outcome.counts.items():
        if "read" in counts:
            kinds = ("accepted", "late", "duplicate", "conflict")
            rejected = sum(n for name, n in counts.items() if name.startswith("rejected."))
            told = sum(counts.get(kind, 0) for kind in kinds) + rejected
            if counts["read"] != told:
                line = f"{job}: read {counts['read']}, told {told}: {dict(sorted(counts.items()))}"
                yield Violation("conservation", line)
        for handed, ends in _HANDED.items():
            told = sum(counts.get(end, 0) for end in ends)
            if counts.get(handed, 0) != told:
                line = f"{job}: {handed} {counts.get(handed, 0)}, {' + '.join(ends)} {told}"
                yield Violation("conservation", line)


def _archive(outcome: Outcome) -> Iterator[Violation]:
    published = {message.message_id for message in outcome.case.messages}
    yield from _same("archive_is_complete", "archive", outcome.archived, published)
    yield from _same("objects_are_immutable", "objects", outcome.overwritten, set())
    for job in ("hot", "windows"):
        read = outcome.counts[job].get("read", 0)
        if read < len(published):
            line = f"{job}: read {read} of {len(published)} published"
            yield Violation("nothing_acknowledged_is_lost", line)


def _late(outcome: Outcome, expected: Expected) -> Iterator[Violation]:
    """Where the watermark waits for every message, late is what was published late."""
    if outcome.case.leaps or outcome.is_redelivered:
        return
    for line in outcome.late["hot"]:
        if line.happened >= line.published - outcome.horizon and not line.is_rival(expected):
            told = f"{line.message_id}: published {line.published - line.happened} us after it"
            yield Violation("late_is_late", told)


def _quarantine(outcome: Outcome, expected: Expected) -> Iterator[Violation]:
    for job, records in outcome.quarantined.items():
        decoded = {
            record.message_id: record.reason for record in records if record.step == "Decode"
        }
        yield from _equal("quarantine_equals_oracle", job, decoded, expected.rejected)
        strange = {
            record.message_id
            for record in records
            if record.reason == "id_conflict" and record.event_id not in expected.rivals
        }
        yield from _same("quarantine_equals_oracle", f"{job} id_conflict", strange, set())


def _cells(outcome: Outcome, expected: Expected) -> Iterator[Violation]:
    def sure(place: Any) -> bool:
        return place[1] not in expected.rival_ids

    state = {(*place, 0): value for place, value in expected.state.items()}
    late = {
        (each, line.happened // _HOUR * _HOUR) for line in outcome.late["hot"] for each in line.ids
    }

    def in_time(place: Any) -> bool:
        return sure(place) and (place[1], place[3]) not in late

    for name, cells in outcome.cells.items():
        whole = in_time if name == "live" else sure
        short = _reopened(outcome, "hot", "tiles_reopened") if name == "live" else 0
        replay = outcome.cells["replay"]
        for promise, told, tiles in (
            ("cells_equal_oracle", state, expected.tiles),
            ("replay_equals_live", replay.state, replay.tiles),
        ):
            yield from _equal(promise, f"{name} state", cells.state, told, sure)
            yield from _equal(promise, f"{name} tiles", cells.tiles, tiles, whole, short)


def _reopened(outcome: Outcome, job: str, counter: str) -> int:
    """Return how many values a job has withheld because what it knew of them was gone.

    A watermark that nothing holds may be further on than a step can know: what comes then is not
    told to be late, and is counted where it is left out.
    """
    return outcome.counts[job].get(counter, 0) if outcome.case.leaps else 0


def _windows(outcome: Outcome, expected: Expected) -> Iterator[Violation]:
    late = {each for line in outcome.late["windows"] for each in line.windows}

    def sure(place: Any) -> bool:
        return place[:3] not in expected.unsure and "id_conflict" not in place[3]

    def in_time(place: Any) -> bool:
        # A refused message that is delivered again is refused again, and counted where it is live.
        return sure(place) and place[:3] not in late and place[0] != "rejects"

    def read(place: Any) -> bool:
        return sure(place) and place[0] != "rejects"

    for name, rows in outcome.windows.items():
        whole = in_time if name == "live" else sure
        short = _reopened(outcome, "windows", "windows_reopened") if name == "live" else 0
        told = {place: dict(values) for place, values in expected.windows.items()}
        yield from _equal("rows_equal_oracle", name, rows, _completed(told, rows), whole, short)
        replay = outcome.windows["replay"]
        yield from _equal("replay_equals_live", f"{name} rows", rows, replay, whole, short)


def _completed(told: dict[Any, dict[str, int]], rows: _Found) -> dict[Any, dict[str, int]]:
    """Fill in what is zero where nothing contributes, and what is the count of messages."""
    for place, values in told.items():
        for name, value in rows.get(place, {}).items():
            if name == "messages":
                values[name] = values["event_count"]
            elif value == 0:
                values.setdefault(name, 0)
    return told


def _equal(
    promise: str,
    name: str,
    found: _Found,
    expected: _Found,
    counts: Callable[[Any], bool] = lambda _: True,
    short: int = 0,
) -> Iterator[Violation]:
    places = [place for place in found.keys() | expected.keys() if counts(place)]
    wrong = sorted(
        (str(place), place) for place in places if found.get(place) != expected.get(place)
    )
    if len(wrong) <= short and not any(place in found for _, place in wrong):
        return
    if wrong:
        shown = "; ".join(
            f"{told} {_differs(found.get(place), expected.get(place))}"
            for told, place in wrong[:_SHOWN]
        )
        yield Violation(promise, f"{name}: {len(wrong)} of {len(places)}: {shown}")


def _differs(found: Any, expected: Any) -> str:
    """Return in what two differ, without a value of an event."""
    if found is None or expected is None:
        return "is missing" if found is None else "is not expected"
    if isinstance(found, dict):
        names = sorted(
            name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
        )
        return f"differs in {', '.join(names)}"
    if isinstance(found, tuple) and found[0] != expected[0]:
        return f"has version {found[0]}, not {expected[0]}"
    return "has another value"


def _same(promise: str, name: str, found: set[str], expected: set[str]) -> Iterable[Violation]:
    if found != expected:
        missing, strange = sorted(expected - found), sorted(found - expected)
        line = f"{name}: missing {missing[:_SHOWN]}, not expected {strange[:_SHOWN]}"
        yield Violation(promise, line)
