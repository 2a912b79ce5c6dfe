"""The report as one HTML page that needs nothing beside it, and no network."""

from pathlib import Path

from local import report_sections as sections
from local.errors import ServiceError
from local.report_charts import SCRIPT_MISSING, chart_script, charts
from local.report_facts import Facts
from local.report_flow import flow
from local.report_html import Html, join, script_json, tag
from local.report_style import DRAWING, STYLE
from schemas.locations import write_problem

__all__ = ["check_writable", "report_page", "write_report"]

# Not even a mistake in the page can make it load anything.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"

_SUMS = (
    "Each job reads the same topic by a subscription of its own, or later the archive. What is "
    "read is accepted, refused, a copy, in conflict with another of its id, or late: nothing "
    "else, so the counts have to add up."
)
_NO_SUMS = (
    "Only the hot path ran, from Pub/Sub into Bigtable. Without Prism it has no end of its own, so "
    "it left no counters that could add up."
)


def check_writable(path: Path) -> None:
    """Raise where a report cannot be written: better now than after the demo.

    Raises:
        ServiceError: there is no such folder, or it may not be written; one line.
    """
    if problem := write_problem(str(path), is_file=True):
        msg = f"--report={path}: {problem}"
        raise ServiceError(msg)
    if path.is_symlink() or path.exists():
        try:
            path.open("ab").close()
        except OSError as error:
            msg = f"--report={path}: cannot be written ({error.strerror}); name another place"
            raise ServiceError(msg) from None


def write_report(facts: Facts, path: Path) -> None:
    """Write the page.

    Raises:
        ServiceError: it cannot be written there; one line.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report_page(facts), encoding="utf-8")
    except OSError as error:
        msg = f"--report={path}: {error.strerror}"
        raise ServiceError(msg) from None


def report_page(facts: Facts) -> str:
    """Return the page, whatever the events of the demo hold."""
    script = chart_script()
    body = join(
        tag("main", *_body(facts, missing="" if script else SCRIPT_MISSING)),
        tag("script", script_json(charts(facts)), type="application/json", id="charts"),
        tag("script", Html(script)),
        tag("script", Html(DRAWING)),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"Penstock demo: {_verdict(facts)}"),
        tag("style", Html(STYLE)),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", body), lang="en") + "\n"


def _body(facts: Facts, missing: str) -> list[Html]:
    parts = [
        ("What was checked", sections.checked(facts)),
        ("The flow, and what its counts add up to", _flow(facts)),
        ("On time, late, too late", sections.timing(facts)),
        ("Metrics before and after the correction", sections.correction(facts)),
        ("What was refused, and why", sections.refusals(facts)),
        ("From the event to Bigtable", sections.ages(facts)),
        ("One user's row", sections.user(facts)),
        ("The audit", sections.audit(facts)),
        ("This run", _run(facts)),
    ]
    note = [tag("p", missing, class_="bad")] if missing else []
    return [_head(facts), *note, *(tag("section", tag("h2", n), part) for n, part in parts)]


def _head(facts: Facts) -> Html:
    kind = "bad" if facts.failed else "good"
    killed = ", and a job that was killed in the middle," if facts.killed else ","
    places = ["Bigtable", *([facts.rows_in] if facts.rows_in else [])]
    places += ["an archive"] if facts.archived else []
    where = " and ".join([", ".join(places[:-1]), places[-1]] if places[1:] else places)
    return tag(
        "header",
        tag("div", tag("h1", "Penstock demo report"), _toggle(), class_="bar"),
        tag("p", tag("span", _verdict(facts), class_=f"verdict {kind}")),
        tag(
            "p",
            f"{facts.events:,} messages, with copies, late ones, broken ones and conflicts on "
            f"purpose{killed} went through Pub/Sub into {where}. Then all of it was compared with "
            "what had to come of them. Every figure on this page is of that one run.",
        ),
    )


def _toggle() -> Html:
    return tag("button", "Dark", id="theme", type="button", title="light or dark")


def _verdict(facts: Facts) -> str:
    if facts.failed:
        return f"{facts.failed} of {len(facts.checks)} checks failed"
    return f"all {len(facts.checks)} checks hold"


def _flow(facts: Facts) -> Html:
    told = [_SUMS if facts.jobs else _NO_SUMS]
    if facts.killed:
        told.append(
            f"The first hot path was killed after {facts.killed.published:,} messages: "
            f"{facts.killed.acknowledged:,} were acknowledged, so no subscription delivers them "
            f"again, and {facts.killed.rows:,} rows were there. The second one read them from the "
            "archive; what came twice counts as a duplicate, or is refused twice."
        )
    if facts.lost:
        told.append(
            f"{facts.lost:,} acknowledgements of the hot path were lost on purpose; those messages "
            "came again."
        )
    return join(*(tag("p", each) for each in told), flow(facts))


def _run(facts: Facts) -> Html:
    command = f"penstock demo --events {facts.events} --seed {facts.seed}"
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return join(
        tag("p", "Again, with the same story: ", tag("code", command)),
        tag(
            "p", f"It took {facts.seconds:.0f} s, on {versions}; seed {facts.seed}.", class_="soft"
        ),
    )
