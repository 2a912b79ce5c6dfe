"""Writes what Dataflow's forms ask of each pipeline: `python -m local.write_templates`.

A pipeline's options are declared once, in pipelines/; this makes `templates/<name>/metadata.json`
of them, by `make templates`.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pipelines
from pipelines.job import Job
from pipelines.option_words import DeclaredOption, Kind, declared_options

__all__ = ["jobs", "main", "metadata_of", "metadata_texts"]

_TEMPLATES = Path(__file__).parents[1] / "templates"
_METADATA = "metadata.json"
_MODES = {False: "EXACTLY_ONCE", True: "AT_LEAST_ONCE"}
_STREAM = "input_subscription"
_NAMES = {"bigquery": "BigQuery", "id": "ID", "ndjson": "NDJSON", "pubsub": "Pub/Sub"}
_NOT_HERE = "Not of use in a template, which nobody waits for; leave it empty."


def jobs() -> dict[str, Job]:
    """Return the pipelines of Beam by name; any others run where they are started."""
    found = {}
    for module in iter_modules(pipelines.__path__):
        job = getattr(import_module(f"pipelines.{module.name}"), "JOB", None)
        if isinstance(job, Job) and job.name == module.name:
            found[module.name] = job
    return found


def metadata_of(job: Job) -> dict[str, Any]:
    """Return a job's metadata, in the form of Dataflow's `TemplateMetadata`."""
    options = declared_options(job.options)
    streams = any(option.name == _STREAM for option in options)
    modes = {
        "supportsAtLeastOnce": job.at_least_once,
        "supportsExactlyOnce": True,
        # It says something only where there is a choice.
        **({"defaultStreamingMode": _MODES[True]} if job.at_least_once else {}),
    }
    return {
        "name": f"Penstock: {job.name.replace('_', ' ')}",
        "description": _description(job),
        "streaming": streams,
        **(modes if streams else {}),
        "parameters": [_parameter(option) for option in options],
    }


def metadata_texts() -> dict[Path, str]:
    """Return the text that each generated file should have."""
    return {
        _TEMPLATES / name / _METADATA: json.dumps(metadata_of(job), indent=2) + "\n"
        for name, job in jobs().items()
    }


def main() -> int:
    """Write the files that differ; return the exit status."""
    for path, text in metadata_texts().items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"wrote {path}\n")
    return 0


def _description(job: Job) -> str:
    """Return what the docstring of a job's module says before its example."""
    module = inspect.getmodule(job.build)
    words = inspect.getdoc(module) or "" if module else ""
    told = re.split(r"\n\n(?= {4})", words)[0]
    return " ".join(told.split())


def _parameter(option: DeclaredOption) -> dict[str, Any]:
    words = option.words
    form = words.kind.value
    regex = form.regex and (f"^(?:{form.regex})$" if words.needed else f"^(?:{form.regex})?$")
    return {
        "name": option.name,
        "label": _label(option.name),
        "helpText": " ".join(_help(option)),
        "isOptional": not words.needed,
        "groupName": _sentence(option.group).rstrip("."),
        "paramType": form.param_type,
        **({"regexes": [regex]} if regex else {}),
        **({"enumOptions": _choices(words.choices)} if words.kind is Kind.CHOICE else {}),
        **({"defaultValue": words.default} if words.default else {}),
        **({"hiddenUi": True} if words.awaited else {}),
    }


def _choices(values: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"value": value, "label": value} for value in values]


def _help(option: DeclaredOption) -> Iterator[str]:
    words = option.words
    if words.awaited:
        yield _NOT_HERE
    yield _sentence(words if words.choices else words.words)
    if words.example:
        is_default = words.example == words.default
        yield f"Example: {words.example}{' (the default)' if is_default else ''}"


def _label(name: str) -> str:
    """Return an option's name for a reader.

    >>> _label("bigquery_project"), _label("run_id")
    ('BigQuery project', 'Run ID')
    """
    first, *more = (_NAMES.get(word, word) for word in name.split("_"))
    return " ".join([first[0].upper() + first[1:], *more])


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


if __name__ == "__main__":
    sys.exit(main())
