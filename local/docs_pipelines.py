"""What pages tell in full: steps, counters, alerts, options; made from the pipelines."""

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import groupby
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from local.docs_alerts import alert_index, alerts_of
from local.docs_launches import LAUNCHES, launched_steps
from local.docs_picture import picture
from pipelines.job import Job
from pipelines.option_words import DeclaredOption, declared_options

__all__ = ["ALERT_PAGE", "PAGES", "DocsError", "pictures", "pipeline_pages"]

_DOCS = Path(__file__).parents[1] / "docs"
_PICTURES = "pictures"
_END = "<!-- end -->"

PAGES: dict[str, Sequence[str]] = {
    "hot_path.md": ("hot_path",),
    "replay.md": ("repair",),
    "archive.md": ("archive_raw",),
    "compaction.md": ("compact_archive",),
    "curated_events.md": ("curate_events",),
    "fill_from_drift.md": ("fill_from_drift",),
    "window_metrics.md": ("window_metrics",),
    "recompute_windows.md": ("recompute_windows",),
    "release.md": ("release_quarantine",),
    "audit.md": ("audit",),
}
"""The parts of each page that are made, in their order."""


ALERT_PAGE = "runbooks/index.md"
"""The page that tells the alerts of all pipelines."""

_ALERTS = "alerts"


class DocsError(ValueError):
    """A page has no place for what is made: one line that says which."""


def pipeline_pages() -> dict[Path, str]:
    """Return the text of each page that has made parts, those parts renewed.

    Raises:
        DocsError: a page has no markers.
    """
    pages = {**PAGES, ALERT_PAGE: (_ALERTS,)}
    return {_DOCS / name: _renewed(name, parts) for name, parts in pages.items()}


def pictures() -> dict[Path, str]:
    """Return the picture of each launch, drawn from the pipeline that it builds."""
    return {
        _DOCS / _PICTURES / f"{name}.svg": picture(
            launched_steps(launch), f"The steps of {launch.pipeline}: {launch.words}"
        )
        for name, launch in LAUNCHES.items()
    }


def _renewed(name: str, parts: Sequence[str]) -> str:
    text = (_DOCS / name).read_text()
    for part in parts:
        start = f"<!-- {part}: written by `make docs` -->"
        before, found, rest = text.partition(start)
        _, ended, after = rest.partition(_END)
        if not found or not ended:
            msg = f"docs/{name}: write the lines {start} and {_END} where {part} is to be told"
            raise DocsError(msg)
        lines = "\n".join(_part(part))
        text = f"{before}{start}\n{lines}\n{_END}{after}"
    return text


def _part(part: str) -> Iterator[str]:
    """Tell a pipeline in full; of a second launch of one the picture only."""
    if part == _ALERTS:
        yield from ("", *alert_index(), "")
        return
    launch = LAUNCHES.get(part)
    pipeline = launch.pipeline if launch else part
    title = f"`{pipeline}` in full" if pipeline == part else f"The steps of a {part}"
    yield from ("", f"## {title}", "")
    if launch:
        yield f"Drawn from the pipeline itself, {launch.words}. A dot joins flows; dashed are"
        yield "records of what was refused (red), and what is late (brown)."
        yield from ("", f"![The steps of {pipeline}]({_PICTURES}/{part}.svg)", "")
    if pipeline == part:
        job: Job = import_module(f"pipelines.{pipeline}").JOB
        yield from _counters(job)
        yield from ("### What to alert on", "", *alerts_of(pipeline), "", "### Options", "")
        yield from _options(job.options)


def _counters(job: Job) -> Iterator[str]:
    names = ", ".join(f"`{name}`" for name in job.counters)
    yield f"Counters that are told of every run, also where they are zero: {names}."
    yield from ("Others are told where they have counted.", "")


def _options(own: type[PipelineOptions]) -> Iterator[str]:
    yield from ("| option | what it is | example |", "|---|---|---|")
    for group, options in groupby(declared_options(own), lambda each: each.group):
        if group and group != "options":
            yield f"| *{_cell(group)}* | | |"
        yield from map(_row, options)


def _row(option: DeclaredOption) -> str:
    words = option.words
    needed = " **Needed.**" if words.needed else ""
    example = f"`{words.example}`" if words.example else ""
    return f"| `--{option.name}` | {_cell(words)}{needed} | {_cell(example)} |"


def _cell(words: str) -> str:
    return re.sub(r"[|<*]", r"\\\g<0>", words) if "`" not in words else words.replace("|", "\\|")
