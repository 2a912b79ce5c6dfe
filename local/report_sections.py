"""The sections of the report beside the flow: what was told when, refused, written and audited."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from local.demo_metrics import LATENESS_SECONDS
from local.demo_user import SPANS
from local.demo_windows import Second, Total
from local.report_charts import TIMINGS, age_bins
from local.report_facts import Age, Facts
from local.report_html import Html, join, table, tag
from schemas.times import format_rfc3339

__all__ = ["ages", "audit", "checked", "correction", "refusals", "timing", "user"]

_FIELDS = tuple(field for field, _ in TIMINGS)
_MINUTE = 60_000_000


def checked(facts: Facts) -> Html:
    """Return every claim, whether it holds, and what it was held against."""
    items = []
    for each in facts.checks:
        mark = tag("b", "✗" if each.problems else "✓", class_="bad" if each.problems else "good")
        more = [tag("li", problem) for problem in each.problems[:20]]
        if len(each.problems) > len(more):
            more.append(tag("li", f"and {len(each.problems) - len(more):,} more"))
        told = tag("span", f": {each.told}", class_="soft")
        below = [tag("ul", *more, class_="problems")] if more else []
        items.append(tag("li", mark, tag("span", each.claim), told, *below))
    return tag("ul", *items, class_="checks")


def timing(facts: Facts) -> Html:
    """Return the events of each second by when they were told, and the same by the minute."""
    seconds = facts.seconds_told
    if not seconds:
        return _missing("the metrics of windows")
    total = {field: sum(getattr(each, field) for each in seconds) for field in _FIELDS}
    return join(
        tag(
            "p",
            "Events are counted in windows of the time at which they happened. A window is told "
            "when its time is over; whoever comes after that is ",
            tag("b", "late"),
            f" and corrects it at once. Beyond {LATENESS_SECONDS} s of that an event is ",
            tag("b", "too late"),
            ": it is kept aside whole, until the window is computed anew. In production windows "
            "are minutes and too late is an hour; the demo has no hour, so it takes seconds. "
            "Events that happened before it began to publish are too late on purpose.",
        ),
        _figures((f"{total[field]:,}", name) for field, name in TIMINGS),
        _chart("chart-timing", "Events of each second, by when they were told"),
        tag("h3", "The same, events per minute"),
        table(
            ["minute (UTC)", *(name for _, name in TIMINGS), "all"],
            [[name, *_counts(found)] for name, found in _by_minute(seconds)],
        ),
        _details(
            "Every second as a table",
            ["second (UTC)", *(name for _, name in TIMINGS), "all"],
            [[format_rfc3339(each.start)[11:19], *_counts([each])] for each in seconds],
        ),
    )


def _by_minute(seconds: Iterable[Second]) -> list[tuple[str, list[Second]]]:
    found: dict[str, list[Second]] = defaultdict(list)
    for each in seconds:
        found[format_rfc3339(each.start // _MINUTE * _MINUTE)[:16].replace("T", " ")].append(each)
    return sorted(found.items())


def _counts(seconds: Sequence[Second]) -> list[object]:
    counts = [sum(getattr(each, field) for each in seconds) for field in _FIELDS]
    return [f"{count:,}" for count in (*counts, sum(counts))]


def correction(facts: Facts) -> Html:
    """Return what the views say before and after the recomputation."""
    if not facts.seconds_told:
        return _missing("the recomputation of windows")
    return join(
        tag(
            "p",
            "What came too late is missing in what the live job told. The recomputation reads the "
            "archive and writes every window anew, under a later generation, and the views take "
            "that one. Nothing is deleted: the old values stay in the pane tables. Money is "
            "in minor units, such as cents, by currency.",
        ),
        _chart("chart-correction", "Events of each second before and after the correction"),
        table(
            ["metric and measure", "before", "after", "change"],
            [_changed(each) for each in facts.sums],
        ),
    )


def _changed(total: Total) -> list[object]:
    name = f"{total.metric}: {total.measure} {total.key}".strip()
    change = total.after - total.before
    counts = f"{total.before:,}", f"{total.after:,}", f"{change:+,}" if change else "0"
    return [name, *counts]


def refusals(facts: Facts) -> Html:
    """Return what could not be used, by reason, and what each reason means."""
    if not facts.jobs:
        return _missing("the jobs that count what they refuse")
    if not facts.refusals:
        return tag("p", "No message was refused.")
    count = sum(each.messages for each in facts.refusals)
    return join(
        tag(
            "p",
            f"{count:,} messages were broken on purpose, or shared an id with other content. None "
            "stops a job: each is in the quarantine with its original bytes and a reason.",
        ),
        _chart("chart-refusals", "Refused messages by reason"),
        _details(
            "What each reason means",
            ["reason", "meaning", "messages"],
            [
                [tag("code", each.reason), each.meaning, f"{each.messages:,}"]
                for each in facts.refusals
            ],
            numbers=2,
        ),
    )


def ages(facts: Facts) -> Html:
    """Return how old last values were when they were written."""
    happened, published = facts.happened, facts.published
    if not (happened and published):
        return tag("p", "No times of writing are known.")
    outage = (
        " The long tail is the kill: what came in meanwhile waits until the next job has started "
        "and read the archive."
        if facts.killed
        else ""
    )
    rows = zip(age_bins(), published.bins, strict=True)
    return join(
        tag(
            "p",
            "How long it takes from an event to its row. Noted is when each last value reached "
            f"Bigtable for the first time: {sum(published.bins):,} of them.{outage} The chart "
            "counts from publishing; the table also from the time at which the event happened, "
            "which of late events is long before. All services and jobs share this one machine.",
        ),
        _chart("chart-ages", "Last values by their age when they were written"),
        table(
            ["seconds", "half below", "95 % below", "99 % below", "greatest"],
            [["since published", *_aged(published)], ["since it happened", *_aged(happened)]],
        ),
        _details("The chart as a table", ["age", "values"], [[name, f"{n:,}"] for name, n in rows]),
    )


def _aged(age: Age) -> list[object]:
    return [*(f"{each:.2f}" for each in age.percentiles.values()), f"{age.greatest:.2f}"]


def user(facts: Facts) -> Html:
    """Return one row as a reader sees it: last values, and tiles folded over spans."""
    row = facts.user
    last = {name: each for name, each in row.features.items() if not isinstance(each, dict)}
    tiles = {name: each for name, each in row.features.items() if isinstance(each, dict)}
    return join(
        tag(
            "p",
            "The busiest user, read in one single-row read: ",
            tag("code", row.key),
            f", at {format_rfc3339(row.at)}. Last values, and counts, sums and distinct counts "
            "over the last hour, day and month. The story of the demo lasts less than an hour, "
            "so the three mostly agree.",
        ),
        table(["last value", ""], [[name, _shown(each)] for name, each in last.items()], numbers=2),
        table(
            ["feature", *SPANS],
            [[name, *(_shown(each[span]) for span in SPANS)] for name, each in tiles.items()],
        ),
    )


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def audit(facts: Facts) -> Html:
    """Return what the audit found, what failed first."""
    rows = facts.audited
    if not rows:
        return _missing("the audit")
    failed = [row for row in rows if not row["passed"]]
    errors = sum(row["severity"] == "error" for row in failed)
    figures = (
        (f"{len(rows) - len(failed):,}", "checks passed"),
        (f"{len(failed) - errors:,}", "warnings"),
        (f"{errors:,}", "errors"),
    )
    return join(
        tag(
            "p",
            "Each distinct message of the archive has to be found again: as a curated row, as a "
            "copy of one, late, or refused. Then come checks of the tables. Warnings fail nothing: "
            "in a demo many users have signed up before it began, so they are not known.",
        ),
        _figures(figures),
        tag("p", *_explained(rows)),
        *([table(_AUDITED, [_finding(row) for row in failed], numbers=6)] if failed else []),
        _details("All checks", _AUDITED, [_finding(row) for row in rows], numbers=6),
    )


_AUDITED = ["", "check", "of", "found", "may be", "detail"]


def _explained(rows: Iterable[Any]) -> Iterator[object]:
    for row in rows:
        if row["check"] == "explained":
            yield tag("code", row.get("detail", ""))


def _finding(row: Any) -> list[object]:
    kind = "good" if row["passed"] else "bad" if row["severity"] == "error" else "warn"
    told = {"good": "ok", "bad": "error", "warn": "warning"}[kind]
    value = f"{row['value']:.4g}" if row.get("value") is not None else "-"
    found = [row["check"], row["table"], value, row["bound"], row.get("detail", "")]
    return [tag("b", told, class_=kind), *found]


def _figures(figures: Iterable[tuple[str, str]]) -> Html:
    boxes = [tag("div", tag("b", figure), tag("span", name)) for figure, name in figures]
    return tag("div", *boxes, class_="figures")


def _chart(name: str, told: str) -> Html:
    return tag("div", id=name, class_="chart", role="img", aria_label=told)


def _details(name: str, heads: list[str], rows: list[list[object]], numbers: int = 1) -> Html:
    return tag("details", tag("summary", name), table(heads, rows, numbers))


def _missing(what: str) -> Html:
    return tag("p", f"There was no Prism in this run, so {what} did not run.", class_="soft")
