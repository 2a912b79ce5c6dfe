"""The flow of the report: every job between where it reads and where it writes, with its counts."""

from typing import NamedTuple

from local.report_facts import Facts, JobFacts
from local.report_html import Html, join, tag

__all__ = ["flow"]


class _Lane(NamedTuple):
    source: str
    source_note: str
    job: str
    job_note: str
    place: str
    place_note: str


def flow(facts: Facts) -> Html:
    """Return a lane for the archive and for each job, and under each what its counts add up to."""
    lanes = [_archive(facts)] if facts.archived else []
    lanes += [_job(facts, job) for job in facts.jobs]
    return tag("div", *lanes, class_="lanes")


def _archive(facts: Facts) -> Html:
    assert facts.archived
    held, objects = facts.archived
    lane = _Lane(
        *("Pub/Sub", "one topic", "Archive", "keeps every message as it came"),
        *("Cloud Storage", f"{objects:,} objects"),
    )
    is_whole = held >= facts.events
    told = f"{facts.events:,} published, {held:,} different messages kept"
    return _lane(lane, (facts.events, "messages"), (held, "messages"), _verdict(told, is_whole))


def _job(facts: Facts, job: JobFacts) -> Html:
    lane = _lanes(facts)[job.name]
    what = "rows" if job.name in ("curated", "windows", "recomputed") else "row changes"
    return _lane(lane, (job.read, "messages"), (job.handed, what), _sums(job, what))


def _lane(lane: _Lane, read: tuple[int, str], handed: tuple[int, str], below: Html) -> Html:
    way = tag(
        "div",
        _node(lane.source, lane.source_note),
        _arrow(*read),
        _node(lane.job, lane.job_note),
        _arrow(*handed),
        _node(lane.place, lane.place_note),
        class_="way",
    )
    return tag("div", way, below, class_="lane")


def _node(name: str, note: str) -> Html:
    return tag("div", tag("h3", name), tag("small", note), class_="node")


def _arrow(count: int, what: str) -> Html:
    return tag("div", f"{count:,}", tag("small", what), class_="arrow")


def _sums(job: JobFacts, what: str) -> Html:
    parts = [tag("span", f"{count:,} {name}") for name, count in job.parts.items()]
    written = [tag("span", f"{job.written:,} written"), tag("span", f"{job.refused:,} refused")]
    read = join(f"{job.read:,} read = ", *_with_plus(parts))
    handed = join(f"{job.handed:,} {what} = ", *_with_plus(written))
    return _verdict(join(read, tag("br"), handed), job.is_conserved)


def _with_plus(parts: list[Html]) -> list[str]:
    return [piece for part in parts for piece in (" + ", part)][1:]


def _verdict(told: str, holds: bool) -> Html:
    mark = tag("b", "✓ " if holds else "✗ does not add up: ", class_="good" if holds else "bad")
    return tag("p", mark, told, class_="sum")


def _lanes(facts: Facts) -> dict[str, _Lane]:
    rows = facts.rows_in
    second = "the second job; the first one was killed" if facts.killed else "event by event"
    warm = "from the archive and Pub/Sub" if facts.killed else "one topic"
    return {
        "hot_path": _Lane(
            *("Events", warm, "Hot path", second),
            *("Bigtable", "a row for each user and session"),
        ),
        "curated": _Lane(
            *("Pub/Sub", "one topic", "Curated events", "each event once, typed"),
            *("Silver tables", f"one for each event type, in {rows}"),
        ),
        "windows": _Lane(
            *("Pub/Sub", "one topic", "Metrics of windows", "counted second by second"),
            *("Pane tables", f"what was told of each window, in {rows}"),
        ),
        "replay": _Lane(
            *("Archive", "the same messages again", "Replay", "the hot path's code, in batch"),
            *("Bigtable", "a second table"),
        ),
        "recomputed": _Lane(
            *("Archive", "late events included", "Recomputation", "closed windows, anew"),
            *("Pane tables", "a later generation, which the views take"),
        ),
    }
